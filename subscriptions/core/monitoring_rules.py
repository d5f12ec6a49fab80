"""The rules in force for one patient, told as Parameters: one place that has merged them all.

Nobody who shows limits or draws them needs to know how orders, devices and defaults combine.
https://hl7.org/fhir/R4/parameters.html
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from fhirserver.kernel.canonical import LOINC, MDC, UCUM
from fhirserver.kernel.instant import instant
from fhirserver.kernel.resource import Json
from subscriptions.core.rule import Companion, Interval, Level, RuleSet, SideWatch, Trend, Watch


def monitoring_rules(rules: RuleSet, at: datetime) -> Json:
    """Return Parameters of the rules in force at `at`: limits, changes, intervals, what is ignored."""
    codes: dict[str, list[str]] = {}
    watches: dict[str, Watch] = {}
    for code, watch in rules.watches.items():
        codes.setdefault(watch.parameter, []).append(code)
        watches.setdefault(watch.parameter, watch)
    rows: list[Json] = [{"name": "at", "valueInstant": instant(at)}]
    if rules.valid_until is not None:
        rows.append({"name": "until", "valueInstant": instant(rules.valid_until)})
    rows += [{"name": "source", "valueString": source} for source in sorted(rules.sources)]
    rows += [
        {"name": "parameter", "part": parts}
        for name, watch in watches.items()
        if (parts := _watch(watch, codes[name]))
    ]
    rows += [
        {"name": "change", "part": _trend(trend, watches, codes)} for trend in rules.trends.values()
    ]
    rows += [{"name": "interval", "part": _interval(one)} for one in rules.intervals.values()]
    rows += [{"name": "ignored", "valueString": problem} for problem in rules.problems]
    return {"resourceType": "Parameters", "parameter": rows}


def codings(codes: Sequence[str]) -> list[Json]:
    """Return the codes of a parameter with their systems: LOINC's have a check digit, MDC's none."""
    return [{"system": LOINC if "-" in code else MDC, "code": code} for code in codes]


def quantity(value: Decimal, unit: str) -> Json:
    """Return a Quantity in UCUM."""
    return {"value": value, "unit": unit, "system": UCUM, "code": unit}


def _watch(watch: Watch, codes: Sequence[str]) -> list[Json]:
    levels = [
        {"name": "limit", "part": _level(side, level, watch.unit)}
        for side in (watch.low, watch.high)
        for level in side.levels
    ]
    if not levels:
        return []
    return [*_named(watch.parameter, watch.display, codes), *levels]


def _named(name: str, display: str, codes: Sequence[str]) -> list[Json]:
    concept = {"coding": codings(codes), "text": display}
    return [
        {"name": "name", "valueCode": name},
        {"name": "code", "valueCodeableConcept": concept},
    ]


def _level(side: SideWatch, level: Level, unit: str) -> list[Json]:
    rows: list[Json] = [
        {"name": "side", "valueCode": side.side},
        {"name": "value", "valueQuantity": quantity(level.bound, unit)},
        {"name": "floor", "valueBoolean": level.floor},
        {"name": "confirm-by-reread", "valueBoolean": level.reread},
    ]
    return rows + _by(level, unit)


def _by(level: Level, unit: str) -> list[Json]:
    rows: list[Json] = [{"name": "priority", "valueCode": level.priority}]
    if level.sustained:
        rows.append({"name": "sustained-for", "valueDuration": _seconds(level.sustained)})
    if level.hysteresis:
        rows.append({"name": "hysteresis", "valueQuantity": quantity(level.hysteresis, unit)})
    rows += [{"name": "mode", "valueCode": mode} for mode in level.modes]
    if level.weighed is not None:
        rows.append(
            {"name": "dry-weight", "valueQuantity": quantity(level.weighed.kilograms, "kg")}
        )
        rows.append({"name": "goal", "valueString": level.weighed.version})
    if level.announced is not None:
        device = {"reference": f"Device/{level.announced.device}"}
        rows.append({"name": "device", "valueReference": device})
    return [*rows, *_from(level.source, level.version)]


def _from(source: str, version: str) -> list[Json]:
    return [
        {"name": "source", "valueString": source},
        {"name": "version", "valueString": version},
    ]


def _trend(trend: Trend, watches: dict[str, Watch], codes: dict[str, list[str]]) -> list[Json]:
    watch = watches[trend.watched]
    change = trend.change
    rows = _named(trend.watched, watch.display, codes[trend.watched])
    unit = f"{watch.unit}/min" if change.per_minute else watch.unit
    rows += [
        {"name": "by", "valueQuantity": quantity(change.by, unit)},
        {"name": "window", "valueDuration": _seconds(change.window)},
        {"name": "raises", "valueCoding": {"system": trend.system, "code": trend.code}},
    ]
    if change.baseline is not None:
        rows.append({"name": "baseline", "valueDuration": _seconds(change.baseline)})
    for name, companion in (("steady", change.steady), ("shared", change.shared)):
        if companion is not None:
            rows.append({"name": name, "part": _companion(companion, watches)})
    return rows + _by(trend.level, watch.unit)


def _companion(companion: Companion, watches: dict[str, Watch]) -> list[Json]:
    watch = watches[companion.parameter]
    return [
        *_named(companion.parameter, watch.display, companion.codes),
        {"name": "within", "valueQuantity": quantity(companion.within, watch.unit)},
    ]


def _interval(one: Interval) -> list[Json]:
    return [
        {"name": "name", "valueCode": one.parameter},
        {"name": "every", "valueDuration": _seconds(one.seconds)},
        *_from(one.source, one.version),
    ]


def _seconds(seconds: float) -> dict[str, Any]:
    value = Decimal(repr(seconds))
    whole = value.to_integral_value()
    number = int(whole) if value == whole else value
    return {"value": number, "unit": "s", "system": UCUM, "code": "s"}
