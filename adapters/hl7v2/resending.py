"""Whether a message has come before, and what is answered then. Pure.

A message that was taken is answered again as it was then. One that was refused had no effect, so it is tried anew: what
stood in its way may be gone. Two different messages under one control id are a fault of the sender, and the second is refused.
"""

from dataclasses import dataclass
from typing import Any, Final

from adapters.hl7v2.report import Report
from fhirserver.kernel.hl7 import Before
from fhirserver.kernel.resource import Json
from fhirserver.wire.hl7v2.acknowledgement import DUPLICATE_KEY, Fault, Place, Verdict

DUPLICATE: Final = "duplicate-control-id"
_TIME: Final = 6


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a message: the verdict, and the faults that are answered with it.

    `reason` is that of a refusal. `is_partly`: it was taken but for measures that could not be read.
    """

    verdict: Verdict
    faults: tuple[Fault, ...] = ()
    reason: str = ""
    is_partly: bool = False

    @property
    def is_accepted(self) -> bool:
        """Return whether what the message says is stored."""
        return self.verdict == "accepted"


def answered_before(raw: bytes, before: Before | None, *, replayed: bool) -> Taken | None:
    """Return what is answered to a message that came before; None when it is to be processed (again)."""
    if before is None or before.outcome == "refused":
        return None
    if replayed and before.outcome == "partly":
        return None
    if is_same(raw, before.raw):
        return Taken("accepted", faults_of(before.report))
    fault = Fault(DUPLICATE_KEY, "another message had this control id", Place("MSH", 1, 10))
    return Taken("error", (fault,), DUPLICATE)


def is_same(one: bytes, other: bytes) -> bool:
    """Return whether two messages say the same, whenever each was sent (MSH-7)."""
    return _untimed(one) == _untimed(other)


def _untimed(raw: bytes) -> list[bytes]:
    fields = raw.strip(b"\r\n \t").split(raw[3:4] or b"|")
    del fields[_TIME : _TIME + 1]
    return fields


def told(report: Report, faults: tuple[Fault, ...], **more: Any) -> Json:
    """Return what is kept of a message besides itself: what was answered, what nobody read, what came of it."""
    found: Json = {
        "faults": [_written(one) for one in faults],
        "unread": list(report.unread),
        "refused": [[one.reason, one.code] for one in report.refused],
        **more,
    }
    return {name: value for name, value in found.items() if value}


def faults_of(report: Json) -> tuple[Fault, ...]:
    """Return the faults that were answered."""
    return tuple(
        Fault(code, text, None if place is None else Place(*place), severity)
        for code, text, place, severity in report.get("faults", ())
    )


def _written(fault: Fault) -> list[Any]:
    place = fault.place
    where = None if place is None else [place.segment, place.sequence, place.field]
    return [fault.code, fault.text, where, fault.severity]
