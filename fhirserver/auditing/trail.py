"""What one request touches, noted while it runs: whose records were shown, and what was written.

A request in progress finds its trail where it is, without every function on the way handing it on. What a request
writes is told to the very transaction that writes it (`within`); what it reads is told at its end.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextvars import ContextVar
from datetime import datetime
from typing import Any, Final, TypeVar

from fhirserver.definitions.patient_of import belongs_to, patients_of
from fhirserver.definitions.patients_in import patients_named
from fhirserver.kernel.audit import SUCCESS, Actor, Happening, Recording, What
from fhirserver.kernel.changes import Change
from fhirserver.kernel.resource import Json, Stored

Result = TypeVar("Result")


_NOBODY: Final = frozenset[str]()
_EVENTS: dict[str, What] = {"create": "create", "update": "update", "delete": "delete"}


class Trail:
    """One request: `what` it asks for, as whom and when, and what became of it.

    `emergencies` are patients whom the caller may see in an emergency only; `named` are those of what it tried to write.
    """

    # Most requests change none of these; set for each, they would be half of what a trail costs.
    query: bytes = b""
    emergencies: frozenset[str] = frozenset()
    named: frozenset[str] = frozenset()
    written: bool = False

    def __init__(
        self, tenant: int, what: What, at: datetime, actor: Actor, request_id: str
    ) -> None:
        """Begin with nothing shown and nothing written."""
        self.tenant = tenant
        self.what = what
        self.at = at
        self.actor = actor
        self.request_id = request_id
        self.shown: list[Stored] = []

    def within(
        self, work: Callable[[Any], Awaitable[Result]]
    ) -> Callable[[Any], Awaitable[Result]]:
        """Return `work`, which gets a transaction of the store, so that it tells that what it wrote for this request."""

        async def noted(tx: Any) -> Result:
            before = len(tx.changes)
            result = await work(tx)
            self.note(tx, tx.changes[before:])
            return result

        return noted

    def note(self, tx: Recording, changes: Sequence[Change]) -> None:
        """Tell `tx` of `changes` that this request made in it."""
        if changes:
            tx.audit(*map(self._change, changes))
            self.written = True

    def _change(self, change: Change) -> Happening:
        resource = change.resource if change.resource is not None else change.previous
        patients = frozenset[str]() if resource is None else patients_of(resource)
        what = self.what
        if what in ("create", "update", "batch", "delete"):
            what = _EVENTS[change.action]
        return self.happening(
            what, patients, (f"{change.type}/{change.id}/_history/{change.version}",)
        )

    def happening(self, what: What, patients: frozenset[str], objects: Sequence[str]) -> Happening:
        """Return that `what` happened to `objects`, which are about `patients`."""
        urgent = bool(self.emergencies) and not self.emergencies.isdisjoint(patients)
        # By place: every request makes one, and names take half as long again.
        return Happening(
            self.tenant,
            what,
            self.at,
            self.actor,
            SUCCESS,
            patients,
            tuple(objects),
            self.query,
            self.request_id,
            "BTG" if urgent else "",
        )


TRAIL: ContextVar[Trail | None] = ContextVar("trail", default=None)


def shown(resources: Iterable[Stored]) -> None:
    """Note that the request in progress, if any, is shown these versions."""
    trail = TRAIL.get()
    if trail is not None:
        trail.shown += resources


def named(resource: Json) -> None:
    """Note whom a resource is about that the request in progress tried to write and may not."""
    trail = TRAIL.get()
    if trail is not None:
        trail.named |= patients_of(resource)


def patients_shown(resources: Sequence[Stored]) -> frozenset[str]:
    """Return whose records these versions belong to."""
    if len(resources) == 1:
        return _whose(resources[0])
    return _NOBODY.union(*map(_whose, resources))


def _whose(version: Stored) -> frozenset[str]:
    if version.type == "Patient" or (version.content and belongs_to(version.type).paths):
        return patients_named(version)
    return _NOBODY
