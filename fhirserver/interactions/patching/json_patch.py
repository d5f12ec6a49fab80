"""JSON Patch: a list of operations, carried out one after another or not at all.

A library would do, but those there are compare ``true`` with ``1`` as equal and accept operations that the RFC
forbids; FHIR decimals also compare by their digits here, as everywhere in the record.

Spec: https://www.rfc-editor.org/rfc/rfc6902
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from fhirserver.interactions.patching.pointer import child, index, parsed
from fhirserver.kernel.errors import BadRequest, TooLarge, Unprocessable
from fhirserver.kernel.resource import Json

MAX_OPERATIONS: Final = 1000
# Copying what was copied before doubles; a patched resource may have this many JSON values.
MAX_VALUES: Final = 200_000

_NEEDED: Final[Mapping[str, tuple[str, ...]]] = {
    "add": ("path", "value"),
    "remove": ("path",),
    "replace": ("path", "value"),
    "move": ("from", "path"),
    "copy": ("from", "path"),
    "test": ("path", "value"),
}


def patched(resource: Json, operations: object) -> Json:
    """Return `resource` after `operations`, itself unchanged.

    Raises `BadRequest` for what is no JSON Patch, `Unprocessable` for an operation that does not fit the resource (a
    path that leads nowhere, a failed test), `TooLarge` beyond the bounds.
    """
    if not isinstance(operations, list):
        raise BadRequest("A JSON Patch is a list of operations.")
    if len(operations) > MAX_OPERATIONS:
        raise TooLarge(f"A JSON Patch may have {MAX_OPERATIONS} operations.")
    result: Any = copied(resource)
    size = _size(result)
    for number, operation in enumerate(operations):
        where = f"Operation {number}"
        result, grown = _apply(result, _checked(operation, where), where)
        size += grown
        if size > MAX_VALUES:
            raise TooLarge("The patched resource would be too large.")
    if not isinstance(result, dict):
        raise Unprocessable("The patch leaves no resource.")
    return result


def same(one: Any, other: Any) -> bool:
    """Return whether two JSON values are equal: members in any order, numbers by value, true never 1."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, int | Decimal) and isinstance(other, int | Decimal):
        return one == other
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def copied(value: Any) -> Any:
    """Return a copy of a JSON value that shares nothing that can be changed."""
    if isinstance(value, dict):
        return {key: copied(one) for key, one in value.items()}
    if isinstance(value, list):
        return [copied(one) for one in value]
    return value


def _checked(operation: object, where: str) -> Json:
    if not isinstance(operation, dict):
        raise BadRequest(f"{where} is no JSON object.")
    name = operation.get("op")
    needed = _NEEDED.get(name) if isinstance(name, str) else None
    if needed is None:
        raise BadRequest(f"{where}: op is one of {', '.join(_NEEDED)}.")
    missing = [member for member in needed if member not in operation]
    if missing:
        raise BadRequest(f"{where}: {name} needs {' and '.join(missing)}.")
    return operation


def _apply(document: Any, operation: Json, where: str) -> tuple[Any, int]:
    """Return the document after `operation`, and by how many values it may have grown."""
    path = parsed(operation["path"], f"{where}: path")
    match operation["op"]:
        case "add":
            value = copied(operation["value"])
            return _add(document, path, value, where), _size(value)
        case "remove":
            return _remove(document, path, where)[0], 0
        case "replace":
            value = copied(operation["value"])
            if path:
                document, _ = _remove(document, path, where, keep=True)
            return _set(document, path, value, where), _size(value)
        case "test":
            if not same(_at(document, path, where), operation["value"]):
                raise Unprocessable(f"{where}: the test fails.")
            return document, 0
    source = parsed(operation["from"], f"{where}: from")
    if operation["op"] == "copy":
        value = copied(_at(document, source, where))
        return _add(document, path, value, where), _size(value)
    if path[: len(source)] == source and len(path) > len(source):
        raise BadRequest(f"{where}: a value cannot be moved into itself.")
    document, value = _remove(document, source, where)
    return _add(document, path, value, where), 0


def _at(document: Any, path: tuple[str, ...], where: str) -> Any:
    for step in path:
        document = child(document, step, where)
    return document


def _add(document: Any, path: tuple[str, ...], value: Any, where: str) -> Any:
    if not path:
        return value
    parent, last = _at(document, path[:-1], where), path[-1]
    if isinstance(parent, list):
        parent.insert(len(parent) if last == "-" else index(last, len(parent), where), value)
    elif isinstance(parent, dict):
        parent[last] = value
    else:
        raise Unprocessable(f"{where} leads into a single value.")
    return document


def _set(document: Any, path: tuple[str, ...], value: Any, where: str) -> Any:
    if not path:
        return value
    parent, last = _at(document, path[:-1], where), path[-1]
    parent[index(last, len(parent) - 1, where) if isinstance(parent, list) else last] = value
    return document


def _remove(
    document: Any, path: tuple[str, ...], where: str, *, keep: bool = False
) -> tuple[Any, Any]:
    """Return the document without what is at `path`, and that; `keep`: only make sure that it is there."""
    if not path:
        return None, document
    parent, last = _at(document, path[:-1], where), path[-1]
    found = child(parent, last, where)
    if not keep:
        del parent[int(last) if isinstance(parent, list) else last]
    return document, found


def _size(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + sum(map(_size, value.values()))
    if isinstance(value, list):
        return 1 + sum(map(_size, value))
    return 1
