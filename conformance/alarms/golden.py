"""Compares what was decided with what a scenario owes: exactly that, and nothing that pages besides.

A scenario's truth names the alerts owed, each with the moment it counts from and the time allowed,
and the codes that may ring beside them as a consequence. Pure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, Protocol

from conformance.alarms.door import millis

Json = Mapping[str, Any]
Fault = Literal["missed", "early", "late", "surplus", "unasked"]

ORGANIZATION: Final = "organization"
NEW: Final = frozenset(("raised", "priority-raised"))


class Owed(Protocol):
    """One alert a correct server raises."""

    @property
    def system(self) -> str:
        """Code system."""

    @property
    def code(self) -> str:
        """Code."""

    @property
    def priority(self) -> str:
        """PH, PM or PL."""

    @property
    def within_s(self) -> float:
        """Latest moment after `since`."""

    @property
    def earliest_s(self) -> float:
        """First moment after `since`."""

    @property
    def source(self) -> str | None:
        """The metric it is about, None for whichever."""

    @property
    def since(self) -> str:
        """The moment it counts from."""

    @property
    def unless(self) -> str | None:
        """The moment that makes it not owed when it came no later than `since`."""

    @property
    def patient(self) -> str | None:
        """Whom it is about: a short name, "organization", None for the first patient."""


class Owes(Protocol):
    """What a correct server does about a scenario."""

    @property
    def alerts(self) -> Sequence[Owed]:
        """What is raised."""

    @property
    def allowed(self) -> Sequence[str]:
        """Codes that may ring as consequences."""

    @property
    def incidents(self) -> int | None:
        """How many incidents the owed alerts are, at most; None for as many as there are."""

    @property
    def most_rings(self) -> int | None:
        """How often people are called, at most."""


@dataclass(frozen=True, slots=True)
class Deviation:
    """One difference between what happened and what was owed."""

    fault: Fault
    what: str

    def __str__(self) -> str:
        """Return it in one line for a person."""
        return f"{self.fault}: {self.what}"


def compare(
    truth: Owes, decided: Sequence[Json], moments: Mapping[str, Sequence[datetime]], first: str
) -> list[Deviation]:
    """Return every deviation of `decided` (as the rehearsal writes it) from what was owed.

    `first` is the short name of the patient the session began with.
    """
    deviations: list[Deviation] = []
    for owed in truth.alerts:
        deviation = _judge(owed, decided, moments, first)
        if deviation is not None:
            deviations.append(deviation)
    explained = {(owed.code, owed.patient or first) for owed in truth.alerts}
    for one in decided:
        code = one["alert"]["code"]
        if (code, _whose(one)) in explained or code in truth.allowed:
            continue
        if one["rings"]:
            deviations.append(Deviation("surplus", told(one)))
        elif one["record"] in NEW and one["alert"]["priority"] != "PL":
            deviations.append(Deviation("unasked", told(one)))
    return deviations + _too_often(truth, decided)


def _judge(
    owed: Owed, decided: Sequence[Json], moments: Mapping[str, Sequence[datetime]], first: str
) -> Deviation | None:
    since = moments.get(owed.since, ())
    if not since:
        return Deviation("missed", f"{_said(owed)}: its moment never came")
    other = () if owed.unless is None else moments.get(owed.unless, ())
    if other and other[0] <= since[0]:
        return None
    begun = millis(since[0])
    times = [
        one["at"] - begun
        for one in decided
        if one["record"] in NEW and _is(one, owed, owed.patient or first)
    ]
    times = [after for after in times if after >= 0] or times
    if not times:
        return Deviation("missed", _said(owed))
    when = f"{_said(owed)}: {times[0] / 1000:.1f} s after {owed.since}"
    if times[0] > owed.within_s * 1000:
        return Deviation("late", when)
    if times[0] < owed.earliest_s * 1000:
        return Deviation("early", when)
    return None


def _too_often(truth: Owes, decided: Sequence[Json]) -> list[Deviation]:
    codes = {owed.code for owed in truth.alerts}
    incidents = {
        one["alert"]["incident"]
        for one in decided
        if one["rings"] and one["alert"]["code"] in codes
    }
    rings = sum(one["rings"] for one in decided)
    deviations = []
    if truth.incidents is not None and len(incidents) > truth.incidents:
        deviations.append(
            Deviation("surplus", f"{len(incidents)} incidents instead of {truth.incidents}")
        )
    if truth.most_rings is not None and rings > truth.most_rings:
        deviations.append(Deviation("surplus", f"rang {rings} times, not {truth.most_rings}"))
    return deviations


def told(decided: Json) -> str:
    """Return a decision in one line for a person."""
    alert = decided["alert"]
    source = f" of {decided['source']}" if decided["source"] else ""
    return (
        f"{alert['priority']} {alert['code']}{source} ({alert['display']}), {decided['record']}"
        f"{', rings' if decided['rings'] else ''}, {decided['detail'].get('reason', '')}"
    )


def _is(decided: Json, owed: Owed, patient: str) -> bool:
    alert = decided["alert"]
    return (
        _whose(decided) == patient
        and alert["system"] == owed.system
        and alert["code"] == owed.code
        and alert["priority"] == owed.priority
        and (owed.source is None or decided["source"] == owed.source)
    )


def _whose(decided: Json) -> str:
    if not decided["bound"]:
        return ORGANIZATION
    return str(decided["patient"]).rpartition("/")[2]


def _said(owed: Owed) -> str:
    source = f" of {owed.source}" if owed.source else ""
    return f"{owed.priority} {owed.code}{source} within {owed.within_s:g} s of {owed.since}"
