"""The steps behind a path: how what was sent becomes what FHIR wants.

A step takes a part of the message, or the text an earlier step made of it, and yields a value, ABSENT or NULL. What
cannot be converted is told to the sender as a warning and left out; the message is taken all the same.
"""

import base64
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import partial
from typing import Any, Final
from urllib.parse import quote

from adapters.hl7v2.mapping.errors import MappingRefuses
from adapters.hl7v2.mapping.outcome import ABSENT, NULL, is_value
from adapters.hl7v2.mapping.scope import Scope
from adapters.hl7v2.mapping.tables import Target
from fhirserver.kernel import canonical
from fhirserver.wire.hl7v2.acknowledgement import DATA_TYPE, TABLE_VALUE, Fault
from fhirserver.wire.hl7v2.message import Part
from fhirserver.wire.hl7v2.timestamp import Timestamp

Step = Callable[[Any, Scope], Any]
AUTHORITY: Final = canonical.BASE + "NamingSystem/hl7v2/"
_NUMBER: Final = re.compile(r"[+-]?(?:\d{1,15}(?:\.\d{0,12})?|\.\d{1,12})", re.ASCII)
_TIME_OF_DAY: Final = re.compile(
    r"([01]\d|2[0-3])(?:([0-5]\d)(?:([0-5]\d)(\.\d{1,4})?)?)?(?:[+-]\d{4})?", re.ASCII
)
# What laboratories write where a number belongs: <0.5, >=100.
_COMPARED: Final = re.compile(rf"([<>]=?)?\s*({_NUMBER.pattern})", re.ASCII)
# A normal range: 3.5-5.1, -2 - 2, <200, >= 40.
_RANGE: Final = re.compile(rf"({_NUMBER.pattern})\s*-\s*({_NUMBER.pattern})", re.ASCII)
_INTEGER: Final = re.compile(r"[+-]?\d{1,9}", re.ASCII)
_OID: Final = re.compile(r"[0-2](?:\.(?:0|[1-9]\d*))+", re.ASCII)
_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def text(given: Any, _scope: Scope) -> Any:
    """Return plain text without blanks around it."""
    found = given.text() if isinstance(given, Part) else given
    if found == "" and isinstance(given, Part):
        return NULL
    if not isinstance(found, str):
        return ABSENT if found is None else found
    return found.strip() or ABSENT


def _whole(given: Any, scope: Scope) -> Any:
    found = given.whole() if isinstance(given, Part) else given
    return text(found, scope) if found else (NULL if found == "" else ABSENT)


def _moment(show: Callable[[Timestamp, Scope], str | None], given: Any, scope: Scope) -> Any:
    found = text(given, scope)
    if not isinstance(found, str):
        return found
    moment = scope.reading.sender.timestamp(found)
    shown = None if moment is None else show(moment, scope)
    if shown is None:
        _warn(scope, DATA_TYPE, "a date or time cannot be read")
        return ABSENT
    return shown


def _date(moment: Timestamp, _scope: Scope) -> str | None:
    return moment.date()


def _date_time(moment: Timestamp, scope: Scope) -> str | None:
    return moment.date_time(scope.reading.sender.zone)


def _instant(moment: Timestamp, scope: Scope) -> str | None:
    if moment.instant(scope.reading.sender.zone) is None:
        return None
    return moment.date_time(scope.reading.sender.zone)


def _time(given: Any, scope: Scope) -> Any:
    """Return the time of day of a TM, or of a timestamp that has one."""
    found = text(given, scope)
    if not isinstance(found, str):
        return found
    shape = _TIME_OF_DAY.fullmatch(found)
    if shape is None:
        return _moment(lambda moment, _: moment.time(), found, scope)
    hours, minutes, seconds, fraction = shape.groups()
    return f"{hours}:{minutes or '00'}:{seconds or '00'}{fraction or ''}"


def _number(shape: re.Pattern[str], make: Callable[[str], Any], given: Any, scope: Scope) -> Any:
    found = text(given, scope)
    if not isinstance(found, str):
        return found
    if shape.fullmatch(found) is None:
        _warn(scope, DATA_TYPE, "a number cannot be read")
        return ABSENT
    return make(found)


def _compared(group: int, make: Callable[[str], Any], given: Any, scope: Scope) -> Any:
    found = text(given, scope)
    if not isinstance(found, str):
        return found
    shape = _COMPARED.fullmatch(found)
    if shape is None:
        _warn(scope, DATA_TYPE, "a number cannot be read")
        return ABSENT
    return ABSENT if shape[group] is None else make(shape[group])


def _bound(group: int, signs: tuple[str, ...], given: Any, scope: Scope) -> Any:
    """Return one bound of a normal range; nothing where there is none, or where the range is said in words."""
    found = text(given, scope)
    if not isinstance(found, str):
        return ABSENT
    if (shape := _RANGE.fullmatch(found)) is not None:
        return Decimal(shape[group])
    shape = _COMPARED.fullmatch(found)
    return Decimal(shape[2]) if shape is not None and shape[1] in signs else ABSENT


def _case(change: Callable[[str], str], given: Any, scope: Scope) -> Any:
    found = text(given, scope)
    return change(found) if isinstance(found, str) else found


def _base64(given: Any, scope: Scope) -> Any:
    found = _whole(given, scope)
    return base64.b64encode(found.encode()).decode() if isinstance(found, str) else found


def _authority(given: Any, scope: Scope) -> Any:
    """Return the identifier system of an HD: what the site says, then what it says itself, then one made for it."""
    parts = [given.text(number) if isinstance(given, Part) else None for number in (1, 2, 3)]
    return _system(scope, *parts)


def _entity(given: Any, scope: Scope) -> Any:
    """Return the identifier system of an EI, whose assigner stands in components 2 to 4."""
    parts = [given.text(number) if isinstance(given, Part) else None for number in (2, 3, 4)]
    return _system(scope, *parts)


def _system(scope: Scope, name: str | None, universal: str | None, kind: str | None) -> str:
    sender = scope.reading.sender
    for known in (name, universal):
        if known and known in sender.identifiers:
            return sender.identifiers[known]
    if universal:
        if _OID.fullmatch(universal):
            return f"urn:oid:{universal}"
        if _UUID.fullmatch(universal):
            return f"urn:uuid:{universal.lower()}"
        if kind in ("URI", "URL") or universal.startswith(("http://", "https://", "urn:")):
            return universal
    return AUTHORITY + quote(name or f"sender/{sender.name}", safe="/")


def _token(system: Step, scope: Scope, given: Any, place: int) -> Any:
    value = given.text() if isinstance(given, Part) else None
    if not value:
        return ABSENT
    authority = system(given.child(place) if place > 1 else given, scope)
    return f"{authority}|{escaped(value.strip())}"


def _cx_token(given: Any, scope: Scope) -> Any:
    return _token(_authority, scope, given, 4)


def _ei_token(given: Any, scope: Scope) -> Any:
    return _token(_entity, scope, given, 1)


def escaped(value: str) -> str:
    r"""Return `value` as one value of a search parameter: ``\``, ``,``, ``|`` and ``$`` escaped."""
    return re.sub(r"([\\,|$])", r"\\\1", value)


SIMPLE: Final[Mapping[str, Step]] = {
    "text": text,
    "whole": _whole,
    "date": partial(_moment, _date),
    "dateTime": partial(_moment, _date_time),
    "instant": partial(_moment, _instant),
    "time": _time,
    "decimal": partial(_number, _NUMBER, Decimal),
    "integer": partial(_number, _INTEGER, int),
    "comparator": partial(_compared, 1, str),
    "magnitude": partial(_compared, 2, Decimal),
    "low": partial(_bound, 1, (">", ">=")),
    "high": partial(_bound, 2, ("<", "<=")),
    "upper": partial(_case, str.upper),
    "lower": partial(_case, str.lower),
    "base64": _base64,
    "authority": _authority,
    "entity-authority": _entity,
    "token": _cx_token,
    "entity-token": _ei_token,
}
# These yield something even of nothing.
ON_NOTHING: Final = frozenset(("authority", "entity-authority"))


def table_step(name: str, shape: str) -> Step:
    """Return the step that translates by the table `name` into a code, a Coding or a CodeableConcept."""

    def translate(given: Any, scope: Scope) -> Any:
        found = text(given, scope)
        if not isinstance(found, str):
            return found
        table = scope.reading.tables[name]
        try:
            target = table.find(found)
        except KeyError:
            message = f"a code is not in the table {name}"
            raise MappingRefuses(Fault(TABLE_VALUE, message)) from None
        except LookupError:
            scope.reading.report.leave(f"table {name}: {found}")
            return ABSENT
        return ABSENT if target is None else _shaped(target, shape)

    return translate


def _shaped(target: Target, shape: str) -> Any:
    if shape == "code":
        return {"true": True, "false": False}.get(target.code, target.code)
    coding = {"code": target.code}
    if target.system is not None:
        coding = {"system": target.system, **coding}
    if target.display is not None:
        coding["display"] = target.display
    return coding if shape == "coding" else {"coding": [coding]}


def default_step(value: Any) -> Step:
    """Return the step that puts `value` where there is nothing."""
    return lambda given, _: given if is_value(given) else value


def _warn(scope: Scope, code: str, message: str) -> None:
    segment = scope.reading.message.segments[scope.at.start].id
    scope.reading.report.warn(Fault(code, f"{message} ({segment})", None, "W"))
