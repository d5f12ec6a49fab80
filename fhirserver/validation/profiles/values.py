"""Values a profile gives: exactly this one, at least this much of it, not below, not above.

Spec: https://hl7.org/fhir/R4/elementdefinition-definitions.html#ElementDefinition.fixed_x_
"""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any


def same(value: Any, given: Any) -> bool:
    """Whether `value` is exactly `given`: the same elements, nothing more, lists in order."""
    if isinstance(given, dict):
        return (
            isinstance(value, dict)
            and value.keys() == given.keys()
            and all(same(value[name], one) for name, one in given.items())
        )
    if isinstance(given, list):
        return (
            isinstance(value, list)
            and len(value) == len(given)
            and all(same(one, other) for one, other in zip(value, given, strict=True))
        )
    return _same_primitive(value, given)


def fits(value: Any, pattern: Any) -> bool:
    """Whether `value` has everything `pattern` has; each item of a list anywhere in the other."""
    if isinstance(pattern, dict):
        return isinstance(value, dict) and all(
            name in value and fits(value[name], one) for name, one in pattern.items()
        )
    if isinstance(pattern, list):
        return isinstance(value, list) and all(
            any(fits(one, wanted) for one in value) for wanted in pattern
        )
    return _same_primitive(value, pattern)


def is_below(value: Any, limit: Any) -> bool:
    """Whether `value` is certainly less than `limit`; False where they cannot be compared."""
    return _less(value, limit)


def is_above(value: Any, limit: Any) -> bool:
    """Whether `value` is certainly more than `limit`; False where they cannot be compared."""
    return _less(limit, value)


def _less(one: Any, other: Any) -> bool:
    if isinstance(one, dict) and isinstance(other, dict):
        alike = all(one.get(name) == other.get(name) for name in ("system", "code"))
        return alike and _less(one.get("value"), other.get("value"))
    if _is_number(one) and _is_number(other):
        return bool(one < other)
    if isinstance(one, str) and isinstance(other, str):
        return _earlier(one, other)
    return False


def _earlier(one: str, other: str) -> bool:
    if ":" in one[:3] and ":" in other[:3]:
        return one < other
    first, second = _moment(one), _moment(other)
    return first is not None and second is not None and first < second


def _moment(text: str) -> datetime | None:
    """The beginning of a date or dateTime; times without zone count as UTC."""
    full = f"{text}-01-01"[:10] if len(text) in (4, 7) else text
    try:
        moment = datetime.fromisoformat(full)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


def _same_primitive(value: Any, given: Any) -> bool:
    if isinstance(value, bool) is not isinstance(given, bool):
        return False
    if _is_number(value) and _is_number(given):
        return bool(value == given)
    return type(value) is type(given) and bool(value == given)
