"""What a rule would have done: treatments that are over, judged once more by rules of today.

Pure: the values of a treatment run through the very functions that judge live readings
(`subscriptions.core.monitoring`), in virtual time. Nobody answers in it: an alert counts each time its
condition begins. Machines' own limits and modes of operation are not repeated: all of a treatment
counts as treatment.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from operator import attrgetter
from typing import Any, Final

from fhirserver.kernel.measured import Measured
from fhirserver.kernel.readings import Priority, Reading
from subscriptions.core.dry_weight import weighed
from subscriptions.core.monitoring import Decided, Monitored
from subscriptions.core.parameters import BLOOD_FLOW, BY_CODE
from subscriptions.core.rule import DryWeight, Rule
from subscriptions.core.run_sheet import CODES

# Whatever measured it: a trend follows one device.
_MACHINE: Final = "any"


@dataclass(frozen=True, slots=True)
class Fired:
    """An alert that would have begun `at`. `detail` is what a finding says of value, unit and limit."""

    at: datetime
    priority: Priority
    display: str
    detail: Mapping[str, Any]


def of_today(rules: Iterable[Rule], now: datetime, weight: DryWeight | None) -> list[Rule]:
    """Return those of `rules` that are in force `now`, as if they had been so always."""
    return [_always(rule) for rule in weighed(rules, weight) if rule.active(now)]


def proposed(rules: Iterable[Rule], weight: DryWeight | None, *, signed: bool) -> list[Rule]:
    """Return `rules` nobody has ordered yet, as if they were in force; `signed`: by two people."""
    return [replace(_always(rule), signed=signed) for rule in weighed(rules, weight)]


def looked_at(rules: Iterable[Rule]) -> dict[str, str | None]:
    """Return the MDC codes of all values that `rules` are judged by, each with the code of its panel."""
    codes: dict[str, str | None] = {}
    for rule in rules:
        change = rule.change
        beside = () if change is None else (change.steady, change.shared)
        named = [rule.codes, *(one.codes for one in beside if one is not None)]
        if rule.interval is not None:
            # That the machine treats is known by what it says meanwhile.
            named.append((BLOOD_FLOW,))
        for code in (code for several in named for code in _spoken(several)):
            codes[code] = CODES.get(code)
    return codes


def fired(
    rules: tuple[Sequence[Rule], Sequence[Rule]],
    about: Iterable[Rule],
    values: Sequence[Measured],
    until: datetime,
) -> list[Fired]:
    """Return what would have begun in a treatment that ended at `until` under `rules` (own, default).

    Only what is `about` the same parameters counts. `values` are in the order of their times.
    """
    own, defaults = rules
    parameters = {rule.parameter: rule.unit for rule in about}
    patient = Monitored("", defaults, own)
    told: list[Fired] = []
    for at, several in groupby(values, key=attrgetter("at")):
        decided = patient.time_passes(at)
        decided += patient.readings([_reading(one, parameters) for one in several], at)
        told += _begun(decided, parameters)
    return [*told, *_begun(patient.time_passes(until), parameters)]


def _begun(decided: Iterable[Decided], parameters: Mapping[str, str]) -> Iterator[Fired]:
    for one in decided:
        alert, before = one.outcome.alert, one.outcome.previous
        begins = alert.condition == "present" and (before is None or before.condition != "present")
        if (
            begins
            and one.finding.family != "credibility"
            and one.finding.detail.get("parameter") in parameters
        ):
            yield Fired(one.at, alert.priority, alert.display, one.finding.detail)


def _reading(one: Measured, units: Mapping[str, str]) -> Reading:
    known = BY_CODE.get(one.code)
    unit = units.get(one.code, "") if known is None else known.unit
    return Reading(
        "", _MACHINE, one.code, one.value, unit, one.at, one.at, 0.0, "", "TX", bound=True,
        simulated=False,
    )  # fmt: skip


def _always(rule: Rule) -> Rule:
    return replace(rule, starts=None, ends=None)


def _spoken(codes: Iterable[str]) -> list[str]:
    """Return those of `codes` that machines speak: LOINC's have a check digit, MDC's none."""
    return [code for code in codes if "-" not in code]
