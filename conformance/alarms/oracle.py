"""The offline oracle: judges again everything a real server stored, and compares alert by alert.

It reads a patient's Observations over FHIR, puts them into the order in which they were committed,
and asks a rehearsal what a server that never failed would have raised. Whatever the real one was
spared or suffered meanwhile (killed processes, restarts, repetitions), its Flags must be the same:
none missed, none surplus. Left out are alerts about what is *not* stored: silence, gaps, clocks,
arming, and the limits a machine had at the time. Times of the machine's mode are not stored either:
every reading counts as taken in treatment. Pure.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import groupby
from typing import Any, Final

from conformance.alarms.door import millis
from conformance.alarms.golden import Deviation

MDC: Final = "urn:iso:std:iso:11073:10101"
OURS: Final = "https://w3id.org/fhirserver/CodeSystem/alert"
RULE_VERSION: Final = "https://w3id.org/fhirserver/StructureDefinition/rule-version"
FLAG_PRIORITY: Final = "http://hl7.org/fhir/StructureDefinition/flag-priority"
ALARM_STATE: Final = "68482"
ALARM_ACTIVITY: Final = "68483"
ALERT_SOURCE: Final = "68480"
# MDC partition 3: what is recorded under these codes is an alarm, not a value.
EVENTS: Final = range(196_608, 262_144)
# Of our own codes, those that follow from stored readings alone.
FROM_READINGS: Final = frozenset(("suspected-needle-dislodgement", "reading-not-credible"))
# What a machine states as priority is not stored; its floor events are high whatever it says.
STATED: Final = "PI"

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True, order=True)
class Raised:
    """One alert as both sides know it."""

    system: str
    code: str
    display: str
    priority: str
    onset: int

    def __str__(self) -> str:
        """Return it in one line for a person."""
        return f"{self.priority} {self.code} ({self.display}) of {self.onset}"


def lines(observations: Iterable[Json], patient: str) -> list[dict[str, Any]]:
    """Return the rehearsal's lines of a patient's Observations, in the order of their commit.

    Those of one transaction share `meta.lastUpdated`; within it the order is that of the samples.
    """
    ordered = sorted(observations, key=_order)
    told: list[dict[str, Any]] = []
    for (_, _, device, at, is_event), some in groupby(ordered, key=_order):
        together = list(some)
        line = {
            "at": at,
            "patient": patient,
            "device": device,
            "taken": millis(_effective(together[0])),
            "age": max(0.0, (at - millis(_effective(together[0]))) / 1000),
        }
        if is_event:
            told += [line | _event(one) for one in together]
        else:
            values = {code: value for one in together for code, value in _values(one)}
            told.append(line | {"kind": "readings", "values": values, "contact": False})
    return told


def expected(decided: Iterable[Json]) -> Counter[Raised]:
    """Return the alerts a rehearsal decided about, each as it stood at the end."""
    last = {one["alert"]["id"]: one["alert"] for one in decided}
    return Counter(
        Raised(alert["system"], alert["code"], alert["display"], alert["priority"], alert["onset"])
        for alert in last.values()
        if alert["priority"] != "PL" and _follows(alert["system"], alert["code"])
    )


def found(flags: Iterable[Json]) -> Counter[Raised]:
    """Return the alerts a server's Flags tell of, without those that follow from no reading."""
    raised: Counter[Raised] = Counter()
    for flag in flags:
        coding = flag["code"]["coding"][0]
        if _follows(coding["system"], coding["code"]) and not _by_machine(flag):
            onset = millis(datetime.fromisoformat(flag["period"]["start"]))
            raised[
                Raised(
                    coding["system"], coding["code"], flag["code"]["text"], _priority(flag), onset
                )
            ] += 1
    return raised


def compare(wanted: Counter[Raised], had: Counter[Raised], patient: str) -> list[Deviation]:
    """Return what was missed and what was surplus."""
    missed = [Deviation("missed", f"{patient}: {one}") for one in sorted((wanted - had).elements())]
    return missed + [
        Deviation("surplus", f"{patient}: {one}") for one in sorted((had - wanted).elements())
    ]


def latest(told: Sequence[Mapping[str, Any]]) -> int:
    """Return when the last of `told` was committed (ms), 0 for none."""
    return max((line["at"] for line in told), default=0)


def _order(observation: Json) -> tuple[int, int, str, int, bool]:
    committed = millis(datetime.fromisoformat(observation["meta"]["lastUpdated"]))
    device = observation.get("device", {}).get("reference", "").partition("/")[2]
    is_event = _is_event(observation)
    return committed, millis(_effective(observation)), device, committed, is_event


def _is_event(observation: Json) -> bool:
    code = _mdc(observation["code"])
    return code is not None and code.isdecimal() and int(code) in EVENTS


def _event(observation: Json) -> dict[str, Any]:
    facts = {_mdc(part["code"]): part for part in observation.get("component", ())}
    source = facts.get(ALERT_SOURCE, {}).get("valueCodeableConcept")
    line: dict[str, Any] = {
        "kind": "event",
        "event": _mdc(observation["code"]),
        "phase": observation["valueString"],
        "state": facts[ALARM_STATE]["valueString"],
        "activity": facts[ALARM_ACTIVITY]["valueString"],
        "priority": STATED,
    }
    return line if source is None else line | {"source": _mdc(source)}


def _values(observation: Json) -> Iterable[tuple[str, Decimal | int]]:
    for part in (observation, *observation.get("component", ())):
        quantity, code = part.get("valueQuantity"), _mdc(part["code"])
        if quantity is not None and code is not None:
            yield code, quantity["value"]


def _mdc(concept: Json) -> str | None:
    codings = concept.get("coding", ())
    return next((str(one["code"]) for one in codings if one.get("system") == MDC), None)


def _effective(observation: Json) -> datetime:
    return datetime.fromisoformat(observation["effectiveDateTime"])


def _by_machine(flag: Json) -> bool:
    return any(
        extension["url"] == RULE_VERSION and extension["valueString"].startswith("DeviceMetric/")
        for extension in flag.get("extension", ())
    )


def _priority(flag: Json) -> str:
    for extension in flag.get("extension", ()):
        if extension["url"] == FLAG_PRIORITY:
            return str(extension["valueCodeableConcept"]["coding"][0]["code"])
    return ""


def _follows(system: str, code: str) -> bool:
    return system == MDC or (system == OURS and code in FROM_READINGS)
