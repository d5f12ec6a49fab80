"""Monitoring rules out of FHIR: extensions of a ServiceRequest or a PlanDefinition.action.

A rule that cannot be read is refused on write, with every problem located, and ignored (never
guessed at) when it is met in something stored earlier. https://hl7.org/fhir/R4/servicerequest.html,
https://hl7.org/fhir/R4/plandefinition.html
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Final, cast, get_args

from fhirserver.kernel.canonical import DEFAULT_RULES, MONITORING_RULE
from fhirserver.kernel.errors import Problem
from fhirserver.kernel.readings import Mode, Priority
from fhirserver.kernel.resource import Json
from subscriptions.core.alert import Family
from subscriptions.core.change_reader import read_change
from subscriptions.core.event_codes import OWN_CODES
from subscriptions.core.parameters import BY_CODE
from subscriptions.core.rule import Change, Rule
from subscriptions.core.rule_parts import Part, first, period, quantity, seconds

_MODES: Final = get_args(Mode)
_PRIORITIES: Final = get_args(Priority)
_FAMILIES: Final = get_args(Family)
_NO_DEVIATION: Final = Decimal(0)

# Parts of the extension a rule may have.
_PARTS: Final = frozenset(
    (
        "id",
        "parameter",
        "limit",
        "limit-per-weight",
        "floor",
        "delta",
        "rate",
        "window",
        "baseline-window",
        "steady",
        "shared",
        "interval",
        "alert",
        "sustained-for",
        "hysteresis",
        "priority",
        "mode",
        "period",
        "confirm-by-reread",
        "family",
    )
)
_SAYING_SOMETHING: Final = frozenset(
    ("limit", "limit-per-weight", "floor", "delta", "rate", "interval")
)
_KILOGRAM: Final = "/kg"


@dataclass(frozen=True, slots=True)
class Read:
    """The rules that could be read, and the problems of those that could not."""

    rules: tuple[Rule, ...] = ()
    problems: tuple[Problem, ...] = ()


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
    outer = Part("ServiceRequest")
    starts, ends = period(order.get("occurrencePeriod", {}), outer, "occurrence")
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
    part = Part(path)
    parts = _parts(extension, part)
    identity = first(parts, "id", "valueId", str, part)
    codes, display = _parameter(parts, part)
    known = BY_CODE.get(codes[0]) if codes else None
    unit = None if known is None else known.unit
    low, high, unit = _range(parts, "limit", unit, part)
    floor_low, floor_high, unit = _range(parts, "floor", unit, part)
    per_weight, unit = _per_weight(parts, unit, part)
    hysteresis = _hysteresis(parts, unit, part)
    sustained = seconds(parts, "sustained-for", part) or 0.0
    change = read_change(parts, unit, part)
    interval = seconds(parts, "interval", part)
    alert = _alert(parts, change, part)
    priority = first(parts, "priority", "valueCode", str, part) or "PM"
    if priority not in _PRIORITIES:
        part.wrong("priority", f"priority {priority!r} is none of PH, PM, PL", "code-invalid")
    modes = _modes(parts, part)
    family = first(parts, "family", "valueCode", str, part)
    if family is not None and family not in _FAMILIES:
        part.wrong("family", f"{family!r} is not an alert family", "code-invalid")
    reread = first(parts, "confirm-by-reread", "valueBoolean", bool, part)
    given = first(parts, "period", "valuePeriod", dict, part) or {}
    starts, ends = period(given, part, "period")
    if not identity:
        part.wrong("", "a monitoring rule needs an id", "required")
    if not parts.keys() & _SAYING_SOMETHING:
        part.wrong(
            "", "a monitoring rule needs a limit, a floor, a change or an interval", "required"
        )
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
            change=change,
            interval=interval,
            alert=alert,
            high_per_weight=per_weight,
        ),
        [],
    )


def _parts(extension: Json, part: Part) -> dict[str, list[Json]]:
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
    return parts


def _alert(parts: dict[str, list[Json]], change: Change | None, part: Part) -> str | None:
    alert = first(parts, "alert", "valueCode", str, part)
    if alert is not None and alert not in OWN_CODES:
        part.wrong("alert", f"{alert!r} is no alert a rule can raise", "code-invalid")
    if alert is not None and change is None:
        part.wrong("alert", "only a rule on a change raises an alert of its own")
    return alert


def _modes(parts: dict[str, list[Json]], part: Part) -> tuple[Mode, ...]:
    modes = [nested.get("valueCode") for nested in parts.get("mode", ())]
    for mode in modes:
        if mode not in _MODES:
            part.wrong("mode", f"{mode!r} is not a mode of operation", "code-invalid")
    return tuple(cast("list[Mode]", modes))


def _parameter(parts: dict[str, list[Json]], part: Part) -> tuple[tuple[str, ...], str]:
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
    parts: dict[str, list[Json]], url: str, unit: str | None, part: Part
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
            bounds[side], unit = quantity(given[side], f"{url}.{side}", unit, part)
    low, high = bounds["low"], bounds["high"]
    if low is not None and high is not None and low >= high:
        part.wrong(url, f"low {low} is not below high {high}")
    return low, high, unit


def _per_weight(
    parts: dict[str, list[Json]], unit: str | None, part: Part
) -> tuple[Decimal | None, str | None]:
    """Return the limit for a kilogram and the unit of the parameter, which stands before ``/kg`` in its own."""
    given = first(parts, "limit-per-weight", "valueQuantity", dict, part)
    if given is None:
        return None, unit
    needed = None if unit is None else unit + _KILOGRAM
    value, said = quantity(given, "limit-per-weight", needed, part)
    if value is not None and value <= 0:
        part.wrong("limit-per-weight", "a limit for a kilogram is more than zero")
    if said is not None and not said.endswith(_KILOGRAM):
        part.wrong("limit-per-weight", f"unit {said!r} is not for a kilogram: it ends in /kg")
    return value, unit or (None if said is None else said.removesuffix(_KILOGRAM))


def _hysteresis(parts: dict[str, list[Json]], unit: str | None, part: Part) -> Decimal:
    given = first(parts, "hysteresis", "valueQuantity", dict, part)
    if given is None:
        return _NO_DEVIATION
    value, _ = quantity(given, "hysteresis", unit, part)
    if value is not None and value < 0:
        part.wrong("hysteresis", "hysteresis cannot be negative")
    return _NO_DEVIATION if value is None else value


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
