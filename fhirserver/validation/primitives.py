"""The rules of FHIR's primitive datatypes.

The regular expressions come from the definitions. Beside them stand the rules the
specification gives in words only: dates must exist in the calendar, integers fit 32 bits,
strings are not empty and hold no control characters.

Spec: https://hl7.org/fhir/R4/datatypes.html#primitive
"""

import calendar
import re
from collections.abc import Callable
from decimal import Decimal
from functools import cache

from fhirserver.definitions import load
from fhirserver.validation.findings import Check, Finding, Findings, fault, wrong_type
from fhirserver.validation.narrative import check_xhtml

MAX_STRING = 1024 * 1024
"""Characters in a string, https://hl7.org/fhir/R4/datatypes.html#string"""

MAX_INTEGER = 2**31 - 1

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_BASE64 = re.compile(r"[0-9A-Za-z+/]+={0,2}").fullmatch


def _pattern(name: str) -> Callable[[str], re.Match[str] | None]:
    pattern = load().structure(name).pattern
    if pattern is None:
        raise LookupError(f"the definitions give no pattern for {name}")
    return re.compile(pattern).fullmatch


def _check_boolean(value: object, _parent: object) -> Findings:
    if value is True or value is False:
        return None
    return wrong_type("true or false", value)


def _ranged(name: str, low: int) -> Check:
    def check_integer(value: object, _parent: object) -> Findings:
        if type(value) is not int:
            return wrong_type("a whole number", value)
        if low <= value <= MAX_INTEGER:
            return None
        return fault("value", f"{name} is a number from {low} to {MAX_INTEGER}")

    return check_integer


def _check_decimal(value: object, _parent: object) -> Findings:
    if type(value) is int or (type(value) is Decimal and value.is_finite()):
        return None
    return wrong_type("a number", value)


def _check_text(value: object, _parent: object) -> Findings:
    if type(value) is not str:
        return wrong_type("a string", value)
    if not value:
        return _empty()
    if len(value) > MAX_STRING:
        return fault("too-long", f"a string holds at most {MAX_STRING} characters")
    if not value.isprintable() and _CONTROL.search(value) is not None:
        return fault("value", "control characters are not allowed in a string")
    return None


def _unbroken(name: str) -> Check:
    """Make the check of a uri or a relative of it: any characters but white space."""
    matches = _pattern(name)

    def check_uri(value: object, _parent: object) -> Findings:
        if type(value) is not str:
            return wrong_type("a string", value)
        if not value:
            return _empty()
        if " " not in value and value.isprintable():
            return None
        if matches(value) is None or _CONTROL.search(value) is not None:
            return fault("value", f"white space is not allowed in a {name}")
        return None

    return check_uri


def _code() -> Check:
    matches = _pattern("code")

    def check_code(value: object, _parent: object) -> Findings:
        if type(value) is not str:
            return wrong_type("a string", value)
        if not value:
            return _empty()
        if " " not in value and value.isprintable():
            return None
        if matches(value) is None or _CONTROL.search(value) is not None:
            return fault("value", "a code has no leading, trailing or doubled white space")
        return None

    return check_code


def _shaped(name: str, example: str) -> Check:
    matches = _pattern(name)

    def check_shape(value: object, _parent: object) -> Findings:
        if type(value) is not str:
            return wrong_type("a string", value)
        if matches(value) is not None:
            return None
        return fault("value", f"not a valid {name}; it looks like {example}") if value else _empty()

    return check_shape


def _dated(name: str, example: str) -> Check:
    """A calendar date, or a time on one; the day must exist in its month."""
    matches = _pattern(name)

    def check_date(value: object, _parent: object) -> Findings:
        if type(value) is not str:
            return wrong_type("a string", value)
        if matches(value) is None:
            return fault("value", f"not a valid {name}; it looks like {example}")
        if value[8:10] > "28" and not _day_exists(value):
            return fault("value", "the month does not have this day")
        return None

    return check_date


def _day_exists(value: str) -> bool:
    year, month, day = int(value[:4]), int(value[5:7]), int(value[8:10])
    return day <= calendar.monthrange(year, month)[1]


def _check_base64(value: object, _parent: object) -> Findings:
    if type(value) is not str:
        return wrong_type("a string", value)
    if not value:
        return _empty()
    packed = "".join(value.split())
    if len(packed) % 4 or _BASE64(packed) is None:
        return fault("value", "not valid base64")
    return None


def _empty() -> list[Finding]:
    return fault("value", "a string must not be empty")


@cache
def primitive_check(name: str) -> Check:
    """The check of a primitive datatype. KeyError for a name that is none."""
    return _MAKERS[name]()


_MAKERS: dict[str, Callable[[], Check]] = {
    "base64Binary": lambda: _check_base64,
    "boolean": lambda: _check_boolean,
    "canonical": lambda: _unbroken("canonical"),
    "code": _code,
    "date": lambda: _dated("date", "2026-02-28, 2026-02 or 2026"),
    "dateTime": lambda: _dated(
        "dateTime", "2026-02-28T13:28:17+01:00, with the zone if it has a time"
    ),
    "decimal": lambda: _check_decimal,
    "id": lambda: _shaped("id", "a1-b2.c3, at most 64 letters, digits, hyphens and dots"),
    "instant": lambda: _dated("instant", "2026-02-28T13:28:17.239+01:00"),
    "integer": lambda: _ranged("integer", -(2**31)),
    "markdown": lambda: _check_text,
    "oid": lambda: _shaped("oid", "urn:oid:1.2.3.4.5"),
    "positiveInt": lambda: _ranged("positiveInt", 1),
    "string": lambda: _check_text,
    "time": lambda: _shaped("time", "13:28:17"),
    "unsignedInt": lambda: _ranged("unsignedInt", 0),
    "uri": lambda: _unbroken("uri"),
    "url": lambda: _unbroken("url"),
    "uuid": lambda: _shaped("uuid", "urn:uuid:c757873d-ec9a-4326-a141-556f43239520"),
    "xhtml": lambda: check_xhtml,
}
