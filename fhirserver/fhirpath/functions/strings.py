"""Strings. Regular expressions run on RE2, whose time is linear in the text.

Spec: https://hl7.org/fhirpath/N1/#string-manipulation
"""

import base64
import binascii
import html
import json
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

import re2

from fhirserver.fhirpath.errors import EvaluationError
from fhirserver.fhirpath.functions.signature import Signature, on_values
from fhirserver.fhirpath.scope import Items, Scope
from fhirserver.fhirpath.values import integer, plain, text

MAX_PATTERN: Final = 2_000
"""Characters of a regular expression."""

MAX_MEMORY: Final = 1 << 20
"""Bytes that one regular expression may take, compiled and while it runs."""


def _on_text(name: str, run: Callable[[str], Any]) -> Signature:
    def call(scope: Scope, items: Items) -> Items:
        value = text(items, name)
        if value is None:
            return []
        scope.run.spend(1 + len(value) // 64)
        return [run(value)]

    return on_values(call)


def _on_texts(name: str, run: Callable[[str, str], Any]) -> Signature:
    def call(scope: Scope, items: Items, argument: Items) -> Items:
        value, other = text(items, name), text(argument, name)
        if value is None or other is None:
            return []
        scope.run.spend(1 + len(value) // 64)
        return [run(value, other)]

    return on_values(call, 1)


def _substring(_scope: Scope, items: Items, start: Items, length: Items | None = None) -> Items:
    value = text(items, "substring()")
    begin = integer(start, "substring()")
    if value is None or begin is None or not 0 <= begin < len(value):
        return []
    size = integer(length, "substring()") if length is not None else None
    return [value[begin:] if size is None else value[begin : begin + max(size, 0)]]


def _replace(scope: Scope, items: Items, old: Items, new: Items) -> Items:
    value, before, after = (text(one, "replace()") for one in (items, old, new))
    if value is None or before is None or after is None:
        return []
    count = value.count(before)
    _afford(scope, len(value) + count * len(after))
    return [scope.run.text(value.replace(before, after))]


def _afford(scope: Scope, size: int) -> None:
    if size > scope.run.limits.text:
        scope.run.text(" " * (scope.run.limits.text + 1))


@lru_cache(maxsize=128)
def _pattern(pattern: str) -> Any:
    if len(pattern) > MAX_PATTERN:
        raise EvaluationError(f"a regular expression has at most {MAX_PATTERN} characters")
    options = re2.Options()
    options.dot_nl = True
    options.log_errors = False
    options.max_mem = MAX_MEMORY
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        raise EvaluationError(
            "the regular expression is not valid, or uses look-around or back references,"
            " which take unbounded time"
        ) from error


def _matches(value: str, pattern: str) -> bool:
    return _pattern(pattern).search(value) is not None


def _matches_full(value: str, pattern: str) -> bool:
    return _pattern(pattern).fullmatch(value) is not None


def _replace_matches(scope: Scope, items: Items, pattern: Items, new: Items) -> Items:
    value, regex, after = (text(one, "replaceMatches()") for one in (items, pattern, new))
    if value is None or regex is None or after is None:
        return []
    if not regex:
        return [value]
    scope.run.spend(1 + len(value) // 8)
    found = _pattern(regex)
    made: list[str] = []
    size = position = 0
    for match in found.finditer(value):
        piece = value[position : match.start()] + _expanded(after, match)
        size += len(piece)
        _afford(scope, size)
        made.append(piece)
        position = match.end()
    made.append(value[position:])
    return [scope.run.text("".join(made))]


def _expanded(template: str, match: Any) -> str:
    """The replacement with $1 and ${name} filled in."""
    if "$" not in template:
        return template

    def group(reference: Any) -> str:
        name = reference.group(1) or reference.group(2)
        try:
            return match.group(int(name) if name.isdigit() else name) or ""
        except (IndexError, KeyError):
            raise EvaluationError("the replacement names a group that does not exist") from None

    return str(_GROUP.sub(group, template))


_GROUP = re2.compile(r"\$(?:(\d{1,3})|\{(\w+)\})")


def _split(scope: Scope, items: Items, separator: Items) -> Items:
    value, between = text(items, "split()"), text(separator, "split()")
    if value is None or between is None:
        return []
    return scope.run.bounded(value.split(between) if between else list(value))


def _join(scope: Scope, items: Items, separator: Items | None = None) -> Items:
    between = (text(separator, "join()") if separator is not None else "") or ""
    values = [text([one], "join()") or "" for one in items]
    _afford(scope, sum(map(len, values)) + len(between) * len(values))
    return [scope.run.text(between.join(values))] if values else []


def _characters(scope: Scope, items: Items) -> Items:
    value = text(items, "toChars()")
    return [] if value is None else scope.run.bounded(list(value))


def _encode(value: str, form: str) -> str:
    raw = value.encode()
    if form == "hex":
        return raw.hex()
    if form == "base64":
        return base64.b64encode(raw).decode()
    if form == "urlbase64":
        return base64.urlsafe_b64encode(raw).decode()
    raise EvaluationError("encode() knows hex, base64 and urlbase64")


def _decode(value: str, form: str) -> str:
    try:
        if form == "hex":
            return bytes.fromhex(value).decode()
        if form == "base64":
            return base64.b64decode(value, validate=True).decode()
        if form == "urlbase64":
            return base64.b64decode(value, altchars=b"-_", validate=True).decode()
    except (ValueError, binascii.Error):
        raise EvaluationError("decode() finds no text in that form") from None
    raise EvaluationError("decode() knows hex, base64 and urlbase64")


def _escape(value: str, form: str) -> str:
    if form == "html":
        return html.escape(value)
    if form == "json":
        return json.dumps(value, ensure_ascii=False)[1:-1]
    raise EvaluationError("escape() knows html and json")


def _unescape(value: str, form: str) -> str:
    if form == "html":
        return html.unescape(value)
    if form == "json":
        try:
            return str(json.loads(f'"{value}"'))
        except ValueError:
            raise EvaluationError("unescape() finds no JSON string") from None
    raise EvaluationError("unescape() knows html and json")


def _length(value: str) -> int:
    return len(value)


def _index_of(value: str, other: str) -> int:
    return value.find(other)


def _has_value(_scope: Scope, items: Items) -> Items:
    return [len(items) == 1 and _is_primitive(plain(items[0]))]


def _get_value(_scope: Scope, items: Items) -> Items:
    if len(items) != 1:
        return []
    value = plain(items[0])
    return [value] if _is_primitive(value) else []


def _is_primitive(value: Any) -> bool:
    return value is not None and not hasattr(value, "sibling") and not hasattr(value, "is_calendar")


FUNCTIONS: Final[dict[str, Signature]] = {
    "indexOf": _on_texts("indexOf()", _index_of),
    "lastIndexOf": _on_texts("lastIndexOf()", str.rfind),
    "substring": on_values(_substring, 1, 2),
    "startsWith": _on_texts("startsWith()", str.startswith),
    "endsWith": _on_texts("endsWith()", str.endswith),
    "contains": _on_texts("contains()", str.__contains__),
    "upper": _on_text("upper()", str.upper),
    "lower": _on_text("lower()", str.lower),
    "replace": on_values(_replace, 2),
    "matches": _on_texts("matches()", _matches),
    "matchesFull": _on_texts("matchesFull()", _matches_full),
    "replaceMatches": on_values(_replace_matches, 2),
    "length": _on_text("length()", _length),
    "toChars": on_values(_characters),
    "trim": _on_text("trim()", str.strip),
    "split": on_values(_split, 1),
    "join": on_values(_join, 0, 1),
    "encode": _on_texts("encode()", _encode),
    "decode": _on_texts("decode()", _decode),
    "escape": _on_texts("escape()", _escape),
    "unescape": _on_texts("unescape()", _unescape),
    "hasValue": on_values(_has_value),
    "getValue": on_values(_get_value),
}
