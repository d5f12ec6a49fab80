"""From a FHIR value to entries: one emitter per kind of parameter and datatype.

An emitter serves all parameters that reach the same value by the same type, so that a
CodeableConcept behind `code` and `combo-code` is read once. Values that cannot be read (a date that
is none) give no entry: validation refuses them on write, and search must not fail on what is
stored.

Spec: https://hl7.org/fhir/R4/search.html#table
"""

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, Final

from fhirserver.fhirpath.reference import Target, parse_reference
from fhirserver.search.entry import (
    DateEntry,
    Entry,
    LogicalEntry,
    NumberEntry,
    PositionEntry,
    PresentEntry,
    QuantityEntry,
    ReferenceEntry,
    StringEntry,
    UriEntry,
)
from fhirserver.search.normalize import ADDRESS_PARTS, HUMAN_NAME_PARTS, REMEMBERED, parts_of
from fhirserver.search.period import BEGINNING, END, Span, parse_span

# The system of currency codes: https://hl7.org/fhir/R4/valueset-currencies.html
CURRENCY: Final = "urn:iso:std:iso:4217"
LOWEST: Final = Decimal("-Infinity")
HIGHEST: Final = Decimal("Infinity")

Append = Callable[[Entry], None]
Emitter = Callable[[Any, Append], None]
Params = tuple[str, ...]


def reference(params: tuple[tuple[str, str | None], ...]) -> Emitter:
    """Targets of a Reference.

    Each parameter comes with the one type it is restricted to, None for any. A logical reference
    is told by its identifier; what points into the resource itself, or has only a display, is
    merely present.
    """

    def emit(value: Any, append: Append) -> None:
        text, logical = value.get("reference"), value.get("identifier")
        target = _target(text) if text is not None else None
        type_ = value.get("type") if target is None else target.type or value.get("type")
        for param, only in params:
            if only is None or only == type_:
                if target is not None:
                    append(ReferenceEntry(param, target.text, target.type, target.id))
                elif logical is None:
                    append(PresentEntry(param))
                if logical is not None:
                    append(LogicalEntry(param, logical.get("system"), logical.get("value")))

    return emit


def canonical_reference(params: Params) -> Emitter:
    """Targets of a canonical or uri: the URL, and its business version if written."""

    def emit(value: Any, append: Append) -> None:
        version = value.partition("|")[2] or None
        for param in params:
            append(ReferenceEntry(param, value, None, None, version))

    return emit


def inline_resource(params: Params) -> Emitter:
    """Targets of a resource that is written inside another: the entry of a Bundle."""

    def emit(value: Any, append: Append) -> None:
        type_, id_ = value.get("resourceType"), value.get("id")
        if type_ is not None and id_ is not None:
            for param in params:
                append(ReferenceEntry(param, f"{type_}/{id_}", type_, id_))

    return emit


def string(params: Params) -> Emitter:
    """The text of a string or markdown."""

    def emit(value: Any, append: Append) -> None:
        for param in params:
            append(StringEntry(param, value))

    return emit


def human_name(params: Params) -> Emitter:
    """Each part of a HumanName."""
    return _parts(params, HUMAN_NAME_PARTS)


def address(params: Params) -> Emitter:
    """Each part of an Address."""
    return _parts(params, ADDRESS_PARTS)


def _parts(params: Params, names: tuple[str, ...]) -> Emitter:
    def emit(value: Any, append: Append) -> None:
        for text in parts_of(value, names):
            for param in params:
                append(StringEntry(param, text))

    return emit


def uri(params: Params) -> Emitter:
    """The text of a uri, url or canonical."""

    def emit(value: Any, append: Append) -> None:
        for param in params:
            append(UriEntry(param, value))

    return emit


def date(params: Params) -> Emitter:
    """The span of a date, dateTime or instant."""

    def emit(value: Any, append: Append) -> None:
        span = _span(value)
        if span is not None:
            for param in params:
                append(DateEntry(param, span.lo, span.hi))

    return emit


def period(params: Params) -> Emitter:
    """The span of a Period: from the start of its start to the end of its end."""

    def emit(value: Any, append: Append) -> None:
        span = _period(value)
        if span is not None:
            for param in params:
                append(DateEntry(param, span.lo, span.hi))

    return emit


def timing(params: Params) -> Emitter:
    """The outer limits of a Timing: its events and bounding period, not the schedule inside."""

    def emit(value: Any, append: Append) -> None:
        spans = [span for span in map(_span, value.get("event", ())) if span is not None]
        bounds = value.get("repeat", {}).get("boundsPeriod")
        if bounds is not None and (outer := _period(bounds)) is not None:
            spans.append(outer)
        if spans:
            lo, hi = min(span.lo for span in spans), max(span.hi for span in spans)
            for param in params:
                append(DateEntry(param, lo, hi))

    return emit


def number(params: Params) -> Emitter:
    """A decimal or integer."""

    def emit(value: Any, append: Append) -> None:
        exact = _decimal(value)
        if exact is not None:
            for param in params:
                append(NumberEntry(param, exact, exact))

    return emit


def number_range(params: Params) -> Emitter:
    """The ends of a Range, without its unit."""

    def emit(value: Any, append: Append) -> None:
        low, high = value.get("low", {}), value.get("high", {})
        ends = _ends(low.get("value"), high.get("value"))
        if ends is not None:
            for param in params:
                append(NumberEntry(param, *ends))

    return emit


def quantity(params: Params) -> Emitter:
    """A Quantity or one of its kinds; a comparator opens one end."""

    def emit(value: Any, append: Append) -> None:
        exact = _decimal(value.get("value"))
        if exact is None:
            return
        comparator = value.get("comparator")
        lo = LOWEST if comparator in ("<", "<=") else exact
        hi = HIGHEST if comparator in (">", ">=") else exact
        system, unit_code, unit = value.get("system"), value.get("code"), value.get("unit")
        for param in params:
            append(QuantityEntry(param, lo, hi, system, unit_code, unit))

    return emit


def money(params: Params) -> Emitter:
    """A Money: the currency is the unit."""

    def emit(value: Any, append: Append) -> None:
        exact = _decimal(value.get("value"))
        if exact is not None:
            currency = value.get("currency")
            for param in params:
                append(QuantityEntry(param, exact, exact, CURRENCY, currency, currency))

    return emit


def quantity_range(params: Params) -> Emitter:
    """A Range of quantities, in the unit of the end that is written."""

    def emit(value: Any, append: Append) -> None:
        low, high = value.get("low", {}), value.get("high", {})
        ends = _ends(low.get("value"), high.get("value"))
        if ends is None:
            return
        of = low if "value" in low else high
        for param in params:
            append(QuantityEntry(param, *ends, of.get("system"), of.get("code"), of.get("unit")))

    return emit


def sampled_data(params: Params) -> Emitter:
    """The limits that SampledData states, else none: the samples are not read."""

    def emit(value: Any, append: Append) -> None:
        ends = _ends(value.get("lowerLimit"), value.get("upperLimit"))
        if ends is None:
            return
        of = value.get("origin", {})
        for param in params:
            append(QuantityEntry(param, *ends, of.get("system"), of.get("code"), of.get("unit")))

    return emit


def position(params: Params) -> Emitter:
    """A Location's position."""

    def emit(value: Any, append: Append) -> None:
        latitude, longitude = _decimal(value.get("latitude")), _decimal(value.get("longitude"))
        if latitude is not None and longitude is not None:
            for param in params:
                append(PositionEntry(param, latitude, longitude))

    return emit


def _target(text: str) -> Target | None:
    return _remembered(text) if len(text) <= REMEMBERED else parse_reference(text)


# A patient, an encounter or a device is referred to again and again.
_remembered = lru_cache(maxsize=8192)(parse_reference)


def _span(text: Any) -> Span | None:
    try:
        return parse_span(text)
    except (ValueError, TypeError):
        return None


def _period(value: Any) -> Span | None:
    start, end = value.get("start"), value.get("end")
    first = _span(start) if start is not None else None
    last = _span(end) if end is not None else None
    if first is None and last is None:
        return None
    lo = first.lo if first is not None else BEGINNING
    hi = last.hi if last is not None else END
    return Span(lo, hi) if lo < hi else None


def _ends(low: Any, high: Any) -> tuple[Decimal, Decimal] | None:
    """Return both ends of a range, the missing one infinite; None when both are missing."""
    lo, hi = _decimal(low), _decimal(high)
    if lo is None and hi is None:
        return None
    return LOWEST if lo is None else lo, HIGHEST if hi is None else hi


def _decimal(value: Any) -> Decimal | None:
    if type(value) is Decimal:
        return value
    if type(value) is not int and type(value) is not str:
        return None
    try:
        return Decimal(value)
    except InvalidOperation:
        return None
