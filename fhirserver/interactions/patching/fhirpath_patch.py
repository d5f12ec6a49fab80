"""FHIRPath Patch: operations in a Parameters resource, their places named by FHIRPath.

Spec: https://hl7.org/fhir/R4/fhirpatch.html
"""

import re
from dataclasses import dataclass
from typing import Any, Final

from fhirserver.definitions import Definitions
from fhirserver.fhirpath import EvaluationError, TooExpensiveError, UnsupportedError, compile_path
from fhirserver.interactions.patching import placement
from fhirserver.interactions.patching.json_patch import copied
from fhirserver.interactions.patching.pointer import child, parsed
from fhirserver.interactions.patching.shape import Node, node_at, property_for, value_of
from fhirserver.kernel.errors import BadRequest, TooCostly, TooLarge, Unprocessable
from fhirserver.kernel.resource import Json

MAX_OPERATIONS: Final = 200
_TYPES: Final = ("add", "insert", "delete", "replace", "move")
_LAST_NAME: Final = re.compile(r"(.+)\.([A-Za-z_][A-Za-z0-9_]*)")


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation. `value` is the part that carries the value, None without one."""

    where: str
    type: str
    path: str
    name: str | None
    value: Json | None
    index: int | None
    source: int | None
    destination: int | None


def patched(resource: Json, parameters: Json, definitions: Definitions) -> Json:
    """Return `resource` after the operations of `parameters`, itself unchanged.

    Raises `BadRequest` for what is no FHIRPath Patch, `Unprocessable` for an operation that does not fit the resource,
    `TooLarge` and `TooCostly` beyond the bounds.
    """
    result = copied(resource)
    assert isinstance(result, dict)
    for operation in operations_of(parameters):
        _APPLY[operation.type](result, operation, definitions)
    return result


def operations_of(parameters: Json) -> list[Operation]:
    """Return the operations of a Parameters resource. Raises `BadRequest`, `TooLarge`."""
    if parameters.get("resourceType") != "Parameters":
        raise BadRequest("A FHIRPath Patch is a Parameters resource.", expression="resourceType")
    given = parameters.get("parameter", [])
    if not isinstance(given, list) or not given:
        raise BadRequest("A FHIRPath Patch has operations.", expression="Parameters.parameter")
    if len(given) > MAX_OPERATIONS:
        raise TooLarge(f"A FHIRPath Patch may have {MAX_OPERATIONS} operations.")
    return [_operation(one, f"Parameters.parameter[{at}]") for at, one in enumerate(given)]


def _operation(parameter: object, where: str) -> Operation:
    if not isinstance(parameter, dict) or parameter.get("name") != "operation":
        raise BadRequest("Every parameter is named operation.", expression=where)
    parts: dict[str, Json] = {}
    for part in parameter.get("part", ()):
        name = part.get("name") if isinstance(part, dict) else None
        if not isinstance(name, str) or name in parts:
            raise BadRequest("Every part has a name of its own.", expression=where)
        parts[name] = part
    type_ = _plain(parts, "type", where)
    path = _plain(parts, "path", where)
    if type_ not in _TYPES or path is None:
        message = f"An operation has a path, and a type out of {', '.join(_TYPES)}."
        raise BadRequest(message, expression=where)
    found = Operation(
        where,
        type_,
        path,
        _plain(parts, "name", where),
        parts.get("value"),
        *(_number(parts, name, where) for name in ("index", "source", "destination")),
    )
    needed = {
        "add": (found.name, found.value),
        "insert": (found.index, found.value),
        "replace": (found.value,),
        "move": (found.source, found.destination),
    }
    if any(one is None for one in needed.get(type_, ())):
        raise BadRequest(f"{type_} needs more parts than there are.", expression=where)
    return found


def _plain(parts: dict[str, Json], name: str, where: str) -> str | None:
    part = parts.get(name)
    if part is None:
        return None
    values = [value for key, value in part.items() if key in ("valueString", "valueCode")]
    if len(values) != 1 or not isinstance(values[0], str):
        raise BadRequest(f"{name} is a string.", expression=where)
    return values[0]


def _number(parts: dict[str, Json], name: str, where: str) -> int | None:
    part = parts.get(name)
    if part is None:
        return None
    value = part.get("valueInteger")
    if type(value) is not int or value < 0:
        raise BadRequest(f"{name} is an integer from 0.", expression=where)
    return value


def _located(
    resource: Json, path: str, operation: Operation, definitions: Definitions
) -> list[str]:
    try:
        return compile_path(path).locate(resource, definitions=definitions)
    except UnsupportedError as refusal:
        raise BadRequest(
            f"The path cannot be read: {refusal}", expression=operation.where
        ) from None
    except TooExpensiveError as refusal:
        raise TooCostly(str(refusal), expression=operation.where) from None
    except EvaluationError as refusal:
        message = f"The path finds no element: {refusal}"
        raise Unprocessable(message, expression=operation.where) from None


def _single(
    resource: Json, path: str, operation: Operation, definitions: Definitions
) -> tuple[str, ...]:
    found = _located(resource, path, operation, definitions)
    if len(found) != 1:
        message = f"The path finds {len(found)} elements; it must find one."
        raise Unprocessable(message, expression=operation.where)
    return parsed(found[0], operation.where)


def _add(resource: Json, operation: Operation, definitions: Definitions) -> None:
    steps = _single(resource, operation.path, operation, definitions)
    node = node_at(resource, steps, definitions, operation.where)
    assert operation.name is not None
    assert operation.value is not None
    name, value, is_list = _made(node, operation.name, operation, definitions)
    target = _object(node.value, operation)
    if is_list:
        placement.put_items(target, name, [*placement.items(target, name), value])
    elif placement.is_there(target, name):
        message = f"{name} is there already: use replace."
        raise Unprocessable(message, expression=operation.where)
    else:
        placement.put(target, name, value)


def _insert(resource: Json, operation: Operation, definitions: Definitions) -> None:
    assert operation.index is not None
    parent, name = _list_at(resource, operation, definitions)
    node = node_at(resource, parent, definitions, operation.where)
    name, value, is_list = _made(node, name, operation, definitions)
    target = _object(node.value, operation)
    rows: list[Any] = list(placement.items(target, name)) if is_list else []
    if not is_list or operation.index > len(rows):
        message = "There is no such place in the list."
        raise Unprocessable(message, expression=operation.where)
    rows.insert(operation.index, value)
    placement.put_items(target, name, rows)


def _delete(resource: Json, operation: Operation, definitions: Definitions) -> None:
    found = _located(resource, operation.path, operation, definitions)
    if not found:
        return
    if len(found) > 1:
        message = f"The path finds {len(found)} elements; it must find one."
        raise Unprocessable(message, expression=operation.where)
    steps = parsed(found[0], operation.where)
    if not steps:
        raise BadRequest("A patch cannot delete the resource.", expression=operation.where)
    _remove(resource, steps, operation.where)


def _replace(resource: Json, operation: Operation, definitions: Definitions) -> None:
    steps = _single(resource, operation.path, operation, definitions)
    if not steps:
        raise BadRequest("A patch cannot replace the resource.", expression=operation.where)
    position = int(steps[-1]) if steps[-1].isdigit() else None
    holder, name = (steps[:-1], steps[-1]) if position is None else (steps[:-2], steps[-2])
    node = node_at(resource, holder, definitions, operation.where)
    made, value, _ = _made(node, name, operation, definitions)
    target = _object(node.value, operation)
    if position is not None:
        rows: list[Any] = list(placement.items(target, name))
        rows[position] = value
        placement.put_items(target, name, rows)
        return
    # Another type of the same choice takes the place of this one.
    placement.take(target, name)
    placement.put(target, made, value)


def _move(resource: Json, operation: Operation, definitions: Definitions) -> None:
    assert operation.source is not None
    assert operation.destination is not None
    parent, name = _list_at(resource, operation, definitions)
    target = _object(node_at(resource, parent, definitions, operation.where).value, operation)
    rows = placement.items(target, name)
    if operation.source >= len(rows) or operation.destination >= len(rows):
        message = "There is no such place in the list."
        raise Unprocessable(message, expression=operation.where)
    rows.insert(operation.destination, rows.pop(operation.source))
    placement.put_items(target, name, rows)


_APPLY: Final = {
    "add": _add,
    "insert": _insert,
    "delete": _delete,
    "replace": _replace,
    "move": _move,
}


def _list_at(
    resource: Json, operation: Operation, definitions: Definitions
) -> tuple[tuple[str, ...], str]:
    """Return the place of the object that has the list, and the list's name."""
    found = [parsed(one, operation.where) for one in _located(resource, operation.path, operation, definitions)]  # fmt: skip
    lists = {one[:-1] for one in found if one and one[-1].isdigit()}
    if len(lists) == 1 and all(one[-1:] and one[-1].isdigit() for one in found):
        steps = lists.pop()
        return steps[:-1], steps[-1]
    named = _LAST_NAME.fullmatch(operation.path)
    if found or named is None:
        raise Unprocessable("The path is that of no list.", expression=operation.where)
    return _single(resource, named[1], operation, definitions), named[2]


def _made(
    node: Node, name: str, operation: Operation, definitions: Definitions
) -> tuple[str, Any, bool]:
    """Return the JSON name, the value and whether it is one of a list, for element `name` of `node`."""
    assert operation.value is not None
    element = property_for(node, name, operation.where)
    suffix, value = value_of(operation.value, node, element, definitions, operation.where)
    made = element.name + suffix if element.is_choice else element.name
    return made, value, element.is_list


def _object(value: Any, operation: Operation) -> Json:
    if not isinstance(value, dict):
        message = "A primitive value has no elements of this name."
        raise Unprocessable(message, expression=operation.where)
    return value


def _remove(resource: Json, steps: tuple[str, ...], where: str) -> None:
    """Take out what is at `steps`, what FHIR keeps beside it, and what it leaves empty."""
    position = int(steps[-1]) if steps[-1].isdigit() else None
    above, name = (steps[:-1], steps[-1]) if position is None else (steps[:-2], steps[-2])
    target: Any = resource
    for step in above:
        target = child(target, step, where)
    if position is None:
        placement.take(target, name)
    else:
        rows = placement.items(target, name)
        del rows[position]
        placement.put_items(target, name, rows)
    if not target and above:
        _remove(resource, above, where)
