"""`_summary` and `_elements` on what is no search: a read answers with a part of the resource.

Spec: https://hl7.org/fhir/R4/search.html#summary, https://hl7.org/fhir/R4/http.html#parameters
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from fhirserver.kernel.errors import BadRequest
from fhirserver.wire import fhir_json
from fhirserver.wire.summary import SUMMARIES, shaped, unknown_elements

MAX_ELEMENTS: Final = 200


@dataclass(frozen=True, slots=True)
class Shape:
    """Which parts of a resource are wanted; one of the two says so."""

    summary: str | None = None
    elements: tuple[str, ...] = ()

    def apply(self, content: bytes) -> bytes:
        """Return the resource in `content` with only those parts."""
        if self.summary in (None, "false") and not self.elements:
            return content
        return fhir_json.write(shaped(fhir_json.read_own(content), self.summary, self.elements))


def shape_of(pairs: Iterable[tuple[str, str]], resource_type: str) -> Shape | None:
    """Return what `_summary` and `_elements` in `pairs` ask for, None for the whole resource.

    Raises `BadRequest` for any other parameter, both at once, and elements that `resource_type`
    ("" for any) does not have.
    """
    summary: str | None = None
    elements: tuple[str, ...] = ()
    for name, value in pairs:
        if name == "_summary" and summary is None:
            if value not in SUMMARIES - {"count"}:
                raise BadRequest("_summary is true, text, data or false here.")
            summary = value
        elif name == "_elements" and not elements:
            elements = _names(value, resource_type)
        else:
            raise BadRequest(f"The parameter {name!r} is not supported here.")
    if summary not in (None, "false") and elements:
        raise BadRequest("_summary and _elements exclude each other.")
    if summary is None and not elements:
        return None
    return Shape(summary, elements)


def _names(value: str, resource_type: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in value.split(",") if name.strip())
    if not names or len(names) > MAX_ELEMENTS:
        raise BadRequest(f"_elements lists 1 to {MAX_ELEMENTS} element names.")
    unknown = unknown_elements(resource_type, names) if resource_type else []
    if unknown:
        raise BadRequest(f"_elements: {resource_type} has no element {unknown[0]!r}.")
    return names
