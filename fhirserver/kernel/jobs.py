"""Work that takes longer than a request: handed in, run by a worker, asked about, resumed after a crash.

A job is a row. A worker claims it for a while (its lease) under a number that grows with each claim
(its fence); whoever lost the claim can no longer save anything. The work saves where it is as often as
it likes and is called again with that when its worker died.

Spec: https://hl7.org/fhir/R4/async.html
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal, Protocol

from fhirserver.kernel.principal import Access, Principal

if TYPE_CHECKING:
    from fhirserver.kernel.ports import Transaction

JobState = Literal["waiting", "running", "done", "failed", "cancelled"]


class JobLost(Exception):
    """The claim is somebody else's by now, or the job is gone: stop, and save nothing."""


class JobCancelled(Exception):
    """Whoever handed the job in does not want it any more."""


@dataclass(frozen=True, slots=True)
class JobStatus:
    """What can be told about a job.

    `progress` of `total` steps (None: not known yet). `outcome` is what the work returned, once it is
    `done`; `problem` the OperationOutcome as JSON and `problem_status` its HTTP status, once it has
    `failed`. `fault` says to an operator where it broke.
    """

    id: str
    kind: str
    state: JobState
    progress: int
    total: int | None
    submitted: datetime
    finished: datetime | None
    outcome: bytes | None = None
    problem: bytes | None = None
    problem_status: int = 500
    fault: str | None = None


class JobQueue(Protocol):
    """Jobs as those see them who hand them in."""

    async def submit(
        self, tenant: int, kind: str, request: bytes, owner: Principal, held: str = ""
    ) -> str:
        """Keep a job, committed at once, and return its id. Raises `TooManyRequests`.

        `held` is what narrows the token it is handed in with (`auth.kept_scopes.text_of`): a token narrowed
        otherwise does not learn of it.
        """

    async def status(self, tenant: int, id_: str, asker: Access) -> JobStatus | None:
        """Return what is known; None when there is no such job, or none of the asker's."""

    async def listed(self, tenant: int, asker: Access) -> Sequence[JobStatus]:
        """Return the asker's jobs (an administrator's: all), newest first, without outcomes."""

    async def cancel(self, tenant: int, id_: str, asker: Access) -> bool:
        """Ask for a job to end, and forget a finished one; False when there is none of the asker's."""


class Running(Protocol):
    """A claimed job as its work sees it."""

    @property
    def tenant(self) -> int:
        """The tenant it belongs to."""

    @property
    def owner(self) -> Principal:
        """Who handed it in."""

    @property
    def submitted(self) -> datetime:
        """When it was handed in."""

    @property
    def request(self) -> bytes:
        """What was handed in."""

    @property
    def saved(self) -> bytes:
        """What the work saved last, empty at first."""

    async def advance(self, progress: int, total: int | None, saved: bytes | None = None) -> None:
        """Save how far the work is and, if given, where to go on. Raises `JobLost`, `JobCancelled`."""

    async def require_claim(self, tx: "Transaction") -> None:
        """Hold the claim until `tx` ends, so that nobody who lost it can commit. Raises `JobLost`."""


JobWork = Callable[[Running], Awaitable[bytes]]
