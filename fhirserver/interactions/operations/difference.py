"""The difference of two resources as a FHIRPath Patch: applied to the first it gives the second.

Lists are compared as wholes: what is equal stays, the rest is replaced, deleted or inserted where it
stands. `id` of the resource is never part of a difference.

Spec: https://hl7.org/fhir/R4/fhirpatch.html
"""

from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import Any, Final

import msgspec

from fhirserver.definitions import Definitions, Element, ElementType, Structure
from fhirserver.kernel.resource import Json

ALIGNED: Final = (
    1_000_000  # pairs of items compared to align two lists; larger ones are by position
)

# Data types without elements that Parameters.value[x] cannot hold; they travel in parts.
_IN_PARTS: Final = frozenset(
    {
        "Narrative", "Extension", "ElementDefinition", "MarketingStatus", "Population",
        "ProdCharacteristic", "ProductShelfLife", "SubstanceAmount",
    }
)  # fmt: skip

_KEYWORDS: Final = frozenset({"and", "div", "implies", "mod", "or", "xor"})

_Field = tuple[Element, ElementType | None, str]
Operation = Json


def difference(first: Json, second: Json, definitions: Definitions) -> list[Operation]:
    """Return the operations (parameters of a FHIRPath Patch) that make `second` of `first`.

    Both are resources of one type.
    """
    kind = first["resourceType"]
    comparison = _Comparison(definitions)
    skipped = {"id", "resourceType"}
    one = {name: value for name, value in first.items() if name not in skipped}
    other = {name: value for name, value in second.items() if name not in skipped}
    return list(comparison.objects(one, other, _Place(definitions.structure(kind)), kind))


class _Place:
    """The elements an object has: those of a structure, or of a backbone element in it."""

    def __init__(self, structure: Structure, element: Element | None = None) -> None:
        self.structure = structure
        elements = structure.elements if element is None else structure.children(element)
        self.fields: dict[str, _Field] = {}
        for one in elements:
            for name, element_type in one.json_names():
                self.fields[name] = (one, element_type, name)
            if not one.types:
                self.fields[one.name] = (one, None, one.name)


class _Comparison:
    def __init__(self, definitions: Definitions) -> None:
        self._definitions = definitions

    def objects(self, one: Json, other: Json, place: _Place, path: str) -> Iterator[Operation]:
        """Yield what turns the object `one` at `path` into `other`."""
        names = dict.fromkeys(name.removeprefix("_") for name in (*one, *other))
        elements = {place.fields[name][0].name: place.fields[name][0] for name in names}
        # What goes, goes last: an object that is empty in between would be gone itself.
        gone: list[Operation] = []
        for element in elements.values():
            before, field_before = _values(one, element, place)
            after, field_after = _values(other, element, place)
            here = f"{path}.{_step(element.name)}"
            if field_before == field_after and _same(before, after):
                continue
            if element.is_list:
                field = field_after or field_before or place.fields[element.name]
                operations = self._lists(before, after, place, field, path)
                if after:
                    yield from operations
                else:
                    gone.extend(operations)
            elif field_after is None:
                gone.append(_operation("delete", here))
            elif field_before is None:
                value = self.value(after[0], place, field_after)
                yield _operation("add", path, _text("name", element.name), value)
            elif field_before == field_after:
                yield from self._changed(before[0], after[0], place, field_after, here)
            else:
                # A choice that becomes another type.
                yield _operation("replace", here, self.value(after[0], place, field_after))
        yield from gone

    def _lists(
        self, before: list[Json], after: list[Json], place: _Place, field: _Field, path: str
    ) -> Iterator[Operation]:
        name = field[0].name
        here = f"{path}.{_step(name)}"
        # Position in the list as it is while the operations are carried out one after the other.
        at = 0
        length = len(before)
        for tag, start, end, start2, end2 in _aligned(before, after):
            if tag == "equal":
                at += end - start
                continue
            shared = min(end - start, end2 - start2)
            for offset in range(shared):
                old, new = before[start + offset], after[start2 + offset]
                yield from self._changed(old, new, place, field, f"{here}[{at}]")
                at += 1
            for _ in range(end - start - shared):
                yield _operation("delete", f"{here}[{at}]")
                length -= 1
            for item in after[start2 + shared : end2]:
                value = self.value(item, place, field)
                if at == length:
                    yield _operation("add", path, _text("name", name), value)
                else:
                    index = {"name": "index", "valueInteger": at}
                    yield _operation("insert", here, index, value)
                at += 1
                length += 1

    def _changed(
        self, before: Json, after: Json, place: _Place, field: _Field, path: str
    ) -> Iterator[Operation]:
        if _same(before, after):
            return
        inner = self._inside(place, field)
        old, new = before.get(""), after.get("")
        if inner is not None and isinstance(old, dict) and isinstance(new, dict):
            yield from self.objects(old, new, inner, path)
        else:
            yield _operation("replace", path, self.value(after, place, field))

    def _inside(self, place: _Place, field: _Field) -> _Place | None:
        """Return what elements a value of the field has, None for a primitive or a resource."""
        element, element_type, _name = field
        if element_type is None or element.elements:
            return _Place(place.structure, element)
        structure = self._structure(element_type.code)
        is_object = structure is not None and structure.kind == "complex-type"
        return _Place(structure) if structure is not None and is_object else None

    def _structure(self, code: str) -> Structure | None:
        if code not in self._definitions.structure_names:
            return None
        return self._definitions.structure(code)

    def value(self, item: Json, place: _Place, field: _Field, name: str = "value") -> Json:
        """Return the parameter that carries one value of a field."""
        _element, element_type, _ = field
        inner = self._inside(place, field)
        content = item.get("")
        if isinstance(content, dict) and "resourceType" in content:
            return {"name": name, "resource": content}
        in_parts = element_type is None or _element.elements or element_type.code in _IN_PARTS
        if in_parts and inner is not None and isinstance(content, dict):
            return {"name": name, "part": list(self._parts(content, inner))}
        element = f"value{_suffix(element_type)}"
        parameter: Json = {"name": name}
        if content is not None:
            parameter[element] = content
        if "_" in item:
            parameter[f"_{element}"] = item["_"]
        return parameter

    def _parts(self, content: Json, place: _Place) -> Iterator[Json]:
        for name in dict.fromkeys(name.removeprefix("_") for name in content):
            field = place.fields[name]
            for item in _items(content, name):
                yield self.value(item, place, field, field[0].name)


def _values(resource: Json, element: Element, place: _Place) -> tuple[list[Json], _Field | None]:
    """Return the values of an element and the field (of a choice: the type) that has them."""
    names = [name for name, _ in element.json_names()] or [element.name]
    for name in names:
        found = _items(resource, name)
        if found:
            return found, place.fields[name]
    return [], None


def _items(resource: Json, name: str) -> list[Json]:
    """Return the values of an element, each as {"": value, "_": id and extensions}, parts optional."""
    plain, companion = resource.get(name), resource.get(f"_{name}")
    if isinstance(plain, list) or isinstance(companion, list):
        values, companions = plain or [], companion or []
        length = max(len(values), len(companions))
        values = [*values, *[None] * (length - len(values))]
        companions = [*companions, *[None] * (length - len(companions))]
        pairs = list(zip(values, companions, strict=True))
    else:
        pairs = [(plain, companion)]
    rows = (
        {key: part for key, part in (("", value), ("_", more)) if part is not None}
        for value, more in pairs
    )
    return [row for row in rows if row]


def _aligned(before: list[Json], after: list[Json]) -> list[tuple[str, int, int, int, int]]:
    """Return which stretches of two lists are equal and which are not, in order."""
    if len(before) * len(after) > ALIGNED:
        return [("replace", 0, len(before), 0, len(after))]
    one, other = list(map(_written, before)), list(map(_written, after))
    return list(SequenceMatcher(None, one, other, autojunk=False).get_opcodes())


def _step(name: str) -> str:
    """Return an element's name as FHIRPath takes it; `div` is an operator there."""
    return f"`{name}`" if name in _KEYWORDS else name


def _same(one: object, other: object) -> bool:
    """Whether two values are equal to the last digit: 1.0 is not 1.00."""
    return one == other and _written(one) == _written(other)


def _written(value: object) -> bytes:
    return msgspec.json.encode(value, order="sorted")


def _suffix(element_type: ElementType | None) -> str:
    code = element_type.code if element_type is not None else "string"
    if "." in code or code == "xhtml":
        code = "string"
    return code[:1].upper() + code[1:]


def _operation(kind: str, path: str, *more: Json) -> Operation:
    start = [{"name": "type", "valueCode": kind}, _text("path", path)]
    return {"name": "operation", "part": [*start, *more]}


def _text(name: str, value: Any) -> Json:
    return {"name": name, "valueString": value}
