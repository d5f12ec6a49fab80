"""Monitoring rules out of FHIR: extensions of a ServiceRequest or a PlanDefinition.action.

A rule that cannot be read is refused on write, with every problem located, and ignored (never
guessed at) when it is met in something stored earlier. https://hl7.org/fhir/R4/servicerequest.html,
https://hl7.org/fhir/R4/plandefinition.html
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, TypeVar, cast, get_args

from fhirserver.kernel.canonical import DEFAULT_RULES, MONITORING_RULE
from fhirserver.kernel.errors import Problem
from fhirserver.kernel.readings import Mode, Priority
from fhirserver.kernel.resource import Json
from subscriptions.core.alert import Family
from subscriptions.core.parameters import BY_CODE, ucum
from subscriptions.core.rules import Rule

T = TypeVar("T")

_MODES: Final = get_args(Mode)
_PRIORITIES: Final = get_args(Priority)
_FAMILIES: Final = get_args(Family)
_SECONDS: Final[dict[str, int]] = {"s": 1, "min": 60, "h": 3600}
_NO_DEVIATION: Final = Decimal(0)

# Parts of the extension a rule may have; `delta` and `window` are part of its definition and not
# evaluated yet.
_PARTS: Final = frozenset(
    (
        "id",
        "parameter",
        "limit",
        "floor",
        "delta",
        "window",
        "sustained-for",
        "hysteresis",
        "priority",
        "mode",
        "period",
        "confirm-by-reread",
        "family",
    )
)


@dataclass(frozen=True, slots=True)
class Read:
    """The rules that could be read, and the problems of those that could not."""

    rules: tuple[Rule, ...] = ()
    problems: tuple[Problem, ...] = ()


@dataclass(slots=True)
class _Part:
    """Collects problems of one extension while it is read."""

    path: str
    problems: list[Problem] = field(default_factory=list)

    def wrong(self, where: str, message: str, code: str = "invalid") -> None:
        expression = f"{self.path}.{where}" if where else self.path
        self.problems.append(Problem("error", code, expression, message))


def is_monitoring_order(resource: Json) -> bool:
    """Return whether `resource` is a ServiceRequest that carries monitoring rules."""
    return resource.get("resourceType") == "ServiceRequest" and any(
        extension.get("url") == MONITORING_RULE for extension in resource.get("extension", ())
    )


def is_default_set(resource: Json) -> bool:
    """Return whether `resource` is the PlanDefinition that holds the default rules."""
    return resource.get("resourceType") == "PlanDefinition" and resource.get("url") == DEFAULT_RULES


def holds(order: Json) -> bool:
    """Return whether an order is in force: active, an order, requested by a practitioner."""
    requester = order.get("requester", {}).get("reference", "")
    return (
        order.get("status") == "active"
        and order.get("intent") == "order"
        and requester.startswith(("Practitioner/", "PractitionerRole/"))
    )


def read_order(order: Json, version: int) -> Read:
    """Return the rules of a ServiceRequest in its `version`, whether it holds or not."""
    source = f"ServiceRequest/{order.get('id', '')}"
    outer = _Part("ServiceRequest")
    starts, ends = _period(order.get("occurrencePeriod", {}), outer, "occurrence")
    rules: list[Rule] = []
    problems = outer.problems
    for path, extension in _rule_extensions(order, "ServiceRequest"):
        rule, wrong = _read(extension, path, source, f"{source}/_history/{version}")
        problems += wrong
        if rule is not None:
            rules.append(_narrowed(rule, starts, ends))
    return Read(tuple(rules), tuple(_unique_ids(rules, "ServiceRequest") + problems))


def read_defaults(plan: Json) -> Read:
    """Return the rules of the default PlanDefinition."""
    version = f"{plan.get('url')}|{plan.get('version')}"
    rules: list[Rule] = []
    problems: list[Problem] = []
    if not plan.get("version"):
        problems.append(
            Problem("error", "required", "PlanDefinition.version", "default rules need a version")
        )
    for position, action in enumerate(plan.get("action", ())):
        for path, extension in _rule_extensions(action, f"PlanDefinition.action[{position}]"):
            rule, wrong = _read(extension, path, str(plan.get("url")), version)
            problems += wrong
            if rule is not None:
                rules.append(rule)
    return Read(tuple(rules), tuple(problems + _unique_ids(rules, "PlanDefinition.action")))


def _rule_extensions(element: Json, path: str) -> Iterator[tuple[str, Json]]:
    for position, extension in enumerate(element.get("extension", ())):
        if extension.get("url") == MONITORING_RULE:
            yield f"{path}.extension[{position}]", extension


def _read(
    extension: Json, path: str, source: str, version: str
) -> tuple[Rule | None, list[Problem]]:
    part = _Part(path)
    parts = _parts(extension, part)
    identity = _first(parts, "id", "valueId", str, part)
    codes, display = _parameter(parts, part)
    known = BY_CODE.get(codes[0]) if codes else None
    unit = None if known is None else known.unit
    low, high, unit = _range(parts, "limit", unit, part)
    floor_low, floor_high, unit = _range(parts, "floor", unit, part)
    hysteresis = _hysteresis(parts, unit, part)
    sustained = _duration(parts, part)
    priority = _first(parts, "priority", "valueCode", str, part) or "PM"
    if priority not in _PRIORITIES:
        part.wrong("priority", f"priority {priority!r} is none of PH, PM, PL", "code-invalid")
    modes = _modes(parts, part)
    family = _first(parts, "family", "valueCode", str, part)
    if family is not None and family not in _FAMILIES:
        part.wrong("family", f"{family!r} is not an alert family", "code-invalid")
    reread = _first(parts, "confirm-by-reread", "valueBoolean", bool, part)
    period = _first(parts, "period", "valuePeriod", dict, part) or {}
    starts, ends = _period(period, part, "period")
    if not identity:
        part.wrong("", "a monitoring rule needs an id", "required")
    if "limit" not in parts and "floor" not in parts:
        part.wrong("", "a monitoring rule needs a limit or a floor", "required")
    if part.problems or unit is None:
        return None, part.problems
    return (
        Rule(
            id=cast("str", identity),
            parameter=codes[0] if known is None else known.name,
            display=display if known is None else known.display,
            codes=codes if known is None else known.codes,
            unit=unit,
            low=low,
            high=high,
            floor_low=floor_low,
            floor_high=floor_high,
            sustained=sustained,
            hysteresis=hysteresis,
            priority=cast("Priority", priority),
            modes=modes,
            reread=reread if reread is not None else known is not None and known.reread,
            family=cast("Family | None", family),
            starts=starts,
            ends=ends,
            source=source,
            version=version,
        ),
        [],
    )


def _parts(extension: Json, part: _Part) -> dict[str, list[Json]]:
    parts: dict[str, list[Json]] = {}
    for position, nested in enumerate(extension.get("extension", ())):
        url = nested.get("url")
        if url not in _PARTS:
            part.wrong(f"extension[{position}].url", f"a monitoring rule has no part {url!r}")
            continue
        parts.setdefault(url, []).append(nested)
    for url, several in parts.items():
        if len(several) > 1 and url != "mode":
            part.wrong("", f"{url} is given {len(several)} times")
    if "delta" in parts or "window" in parts:
        message = "change over a window is not evaluated by this server"
        part.wrong("", message, "not-supported")
    return parts


def _modes(parts: dict[str, list[Json]], part: _Part) -> tuple[Mode, ...]:
    modes = [nested.get("valueCode") for nested in parts.get("mode", ())]
    for mode in modes:
        if mode not in _MODES:
            part.wrong("mode", f"{mode!r} is not a mode of operation", "code-invalid")
    return tuple(cast("list[Mode]", modes))


def _first(
    parts: dict[str, list[Json]], url: str, value: str, kind: type[T], part: _Part
) -> T | None:
    if url not in parts:
        return None
    found = parts[url][0].get(value)
    if not isinstance(found, kind):
        part.wrong("", f"{url} needs a {value}", "required")
        return None
    return found


def _parameter(parts: dict[str, list[Json]], part: _Part) -> tuple[tuple[str, ...], str]:
    if "parameter" not in parts:
        part.wrong("", "a monitoring rule needs a parameter", "required")
        return (), ""
    concept = parts["parameter"][0].get("valueCodeableConcept", {})
    codings = [coding for coding in concept.get("coding", ()) if coding.get("code")]
    if not codings:
        part.wrong("parameter", "the parameter needs an MDC or LOINC code", "required")
        return (), ""
    known = sorted((coding["code"] for coding in codings), key=lambda code: code not in BY_CODE)
    names = {BY_CODE[code].name for code in known if code in BY_CODE}
    if len(names) > 1:
        part.wrong("parameter", f"the codes mean different things: {', '.join(sorted(names))}")
    display = concept.get("text") or codings[0].get("display") or codings[0]["code"]
    return tuple(known), display


def _range(
    parts: dict[str, list[Json]], url: str, unit: str | None, part: _Part
) -> tuple[Decimal | None, Decimal | None, str | None]:
    if url not in parts:
        return None, None, unit
    given = parts[url][0].get("valueRange")
    if not isinstance(given, dict) or not ("low" in given or "high" in given):
        part.wrong("", f"{url} needs a valueRange with low or high", "required")
        return None, None, unit
    bounds: dict[str, Decimal | None] = {"low": None, "high": None}
    for side in bounds:
        if side in given:
            bounds[side], unit = _quantity(given[side], f"{url}.{side}", unit, part)
    low, high = bounds["low"], bounds["high"]
    if low is not None and high is not None and low >= high:
        part.wrong(url, f"low {low} is not below high {high}")
    return low, high, unit


def _quantity(
    quantity: Any, where: str, unit: str | None, part: _Part
) -> tuple[Decimal | None, str | None]:
    """Return value and unit; `unit` is the one it must have, None while none is known."""
    number = quantity.get("value") if isinstance(quantity, dict) else None
    if not isinstance(number, int | Decimal) or isinstance(number, bool):
        part.wrong(where, "the quantity has no value", "required")
        return None, unit
    given = quantity.get("code") or quantity.get("unit")
    if not given:
        part.wrong(where, "the quantity has no unit", "required")
        return None, unit
    if unit is not None and ucum(given) != unit:
        part.wrong(where, f"unit {given!r}: this parameter is measured in {unit}")
        return None, unit
    return Decimal(number), ucum(given)


def _hysteresis(parts: dict[str, list[Json]], unit: str | None, part: _Part) -> Decimal:
    quantity = _first(parts, "hysteresis", "valueQuantity", dict, part)
    if quantity is None:
        return _NO_DEVIATION
    value, _ = _quantity(quantity, "hysteresis", unit, part)
    if value is not None and value < 0:
        part.wrong("hysteresis", "hysteresis cannot be negative")
    return _NO_DEVIATION if value is None else value


def _duration(parts: dict[str, list[Json]], part: _Part) -> float:
    duration = _first(parts, "sustained-for", "valueDuration", dict, part)
    if duration is None:
        return 0.0
    value, unit = _quantity(duration, "sustained-for", None, part)
    if value is None or unit is None:
        return 0.0
    if unit not in _SECONDS or value < 0:
        part.wrong("sustained-for", "a duration in s, min or h is needed")
        return 0.0
    return float(value * _SECONDS[unit])


def _period(period: Json, part: _Part, where: str) -> tuple[datetime | None, datetime | None]:
    moments: list[datetime | None] = []
    for end in ("start", "end"):
        text = period.get(end)
        moments.append(None if text is None else moment(text, whole=end == "end"))
        if text is not None and moments[-1] is None:
            part.wrong(f"{where}.{end}", f"{text!r} is not a dateTime")
    return moments[0], moments[1]


def moment(text: Any, *, whole: bool = False) -> datetime | None:
    """Return a FHIR dateTime as an aware time, None when it is none.

    A date begins at midnight UTC; with `whole` the moment after it, after the month or the year, is
    meant.
    """
    if not isinstance(text, str):
        return None
    try:
        if len(text) > 10:
            return datetime.fromisoformat(text).astimezone(UTC)
        numbers = [int(number) for number in text.split("-")]
        year, month, day_of_month = (*numbers, 1, 1)[:3]
        day = datetime(year, month, day_of_month, tzinfo=UTC)
    except (ValueError, OverflowError, TypeError):
        return None
    if not whole:
        return day
    after = {1: timedelta(days=366), 2: timedelta(days=31), 3: timedelta(days=1)}[len(numbers)]
    following = day + after
    return following.replace(day=1) if len(numbers) < 3 else following


def _narrowed(rule: Rule, starts: datetime | None, ends: datetime | None) -> Rule:
    given_starts = [value for value in (rule.starts, starts) if value is not None]
    given_ends = [value for value in (rule.ends, ends) if value is not None]
    return replace(rule, starts=max(given_starts, default=None), ends=min(given_ends, default=None))


def _unique_ids(rules: list[Rule], path: str) -> list[Problem]:
    seen: set[str] = set()
    problems: list[Problem] = []
    for rule in rules:
        if rule.id in seen:
            problems.append(
                Problem("error", "duplicate", path, f"two monitoring rules have the id {rule.id!r}")
            )
        seen.add(rule.id)
    return problems
