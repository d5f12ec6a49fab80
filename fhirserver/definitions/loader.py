"""Loads the compiled R4 definitions and hands them out typed.

The data file is one gzip of JSON, made by `fhirserver.definitions.compile`. Its sections stay
raw bytes until someone asks for a type, so that start-up is quick and a server that only ever
sees twenty resource types never pays for the other hundred and twenty.
"""

import gzip
import sys
from collections.abc import Mapping
from functools import lru_cache
from importlib import resources
from types import MappingProxyType
from typing import Any

import msgspec

from fhirserver.definitions.model import (
    Binding,
    Constraint,
    Element,
    ElementType,
    SearchComponent,
    SearchParameter,
    Structure,
    ValueSet,
)

DATA_FILE = "r4.json.gz"


class _File(msgspec.Struct, frozen=True):
    fhirVersion: str  # noqa: N815 - the name FHIR uses
    resourceTypes: dict[str, int]  # noqa: N815
    structures: dict[str, msgspec.Raw]
    valueSets: dict[str, msgspec.Raw]  # noqa: N815
    searchParameters: dict[str, msgspec.Raw]  # noqa: N815
    compartments: dict[str, dict[str, tuple[str, ...]]]


class Definitions:
    """FHIR R4 4.0.1 as data. One shared instance comes from `load()`."""

    def __init__(self, data: bytes) -> None:
        """`data`: the uncompressed content of the compiled file."""
        self._file = msgspec.json.decode(data, type=_File)
        self.fhir_version = self._file.fhirVersion
        self.resource_types: tuple[str, ...] = tuple(self._file.resourceTypes)
        self._names = {number: name for name, number in self._file.resourceTypes.items()}
        self._structures: dict[str, Structure] = {}
        self._value_sets: dict[str, ValueSet] = {}
        self._search: dict[str, Mapping[str, SearchParameter]] = {}

    def is_resource_type(self, name: object) -> bool:
        """Whether `name` is a concrete R4 resource type."""
        return isinstance(name, str) and name in self._file.resourceTypes

    def type_number(self, name: str) -> int:
        """The stable number of a resource type, 1 upwards. KeyError for anything else."""
        return self._file.resourceTypes[name]

    def type_name(self, number: int) -> str:
        """The resource type of a stable number. KeyError for an unknown number."""
        return self._names[number]

    @property
    def structure_names(self) -> tuple[str, ...]:
        """Every resource type and datatype, abstract ones included, in alphabetical order."""
        return tuple(self._file.structures)

    def structure(self, name: str) -> Structure:
        """The structure of a resource type or datatype. KeyError for an unknown name."""
        found = self._structures.get(name)
        if found is None:
            found = self._structures[name] = self._build(name)
        return found

    def value_set(self, url: str) -> ValueSet | None:
        """The codes behind a required binding; None for any other canonical."""
        found = self._value_sets.get(url)
        if found is None:
            raw = self._file.valueSets.get(url)
            if raw is None:
                return None
            row = msgspec.json.decode(raw)
            systems = {key: _codes(codes) for key, codes in row["systems"].items()}
            every = frozenset().union(*systems.values())
            found = ValueSet(url, MappingProxyType(systems), row.get("pattern"), every)
            self._value_sets[url] = found
        return found

    def search_parameters(self, resource_type: str) -> Mapping[str, SearchParameter]:
        """Return the parameters of a resource type by code. KeyError for an unknown type.

        `_id`, `_lastUpdated` and the others that all resources share are included.
        """
        found = self._search.get(resource_type)
        if found is None:
            self.type_number(resource_type)
            rows: dict[str, SearchParameter] = {}
            chain = self._bases(resource_type)
            for name in reversed(chain):
                raw = self._file.searchParameters.get(name)
                for row in msgspec.json.decode(raw) if raw is not None else ():
                    rows[row["code"]] = _search_parameter(row)
            found = self._search[resource_type] = MappingProxyType(rows)
        return found

    def compartment(self, name: str) -> Mapping[str, tuple[str, ...]]:
        """Return by resource type the codes of the parameters that put a resource into it.

        `name` is Patient, Encounter, Practitioner, RelatedPerson or Device; KeyError for
        another. Types that are never in the compartment are left out.
        """
        return MappingProxyType(self._file.compartments[name])

    def _bases(self, name: str) -> list[str]:
        chain = [name]
        while (base := self.structure(chain[-1]).base) is not None:
            chain.append(base)
        return chain

    def _build(self, name: str) -> Structure:
        row = msgspec.json.decode(self._file.structures[name])
        base = row.get("base")
        inherited = self.structure(base) if base is not None else None
        own = tuple(self._element(child, name) for child in row.get("elements", ()))
        constraints = tuple(Constraint(*item) for item in row.get("constraints", ()))
        if inherited is None:
            elements = own
        else:
            replaced = {element.name for element in own}
            kept = (one for one in inherited.elements if one.name not in replaced)
            elements = (*(_rename(one, name) for one in kept), *own)
            constraints = (*inherited.constraints, *constraints)
        return Structure(
            name=name,
            kind=row["kind"],
            abstract=row.get("abstract", False),
            base=base,
            elements=elements,
            constraints=constraints,
            pattern=row.get("pattern"),
        )

    def _element(self, row: dict[str, Any], parent: str) -> Element:
        path = sys.intern(f"{parent}.{row['name']}")
        types = tuple(
            ElementType(
                sys.intern(one["code"]),
                tuple(sys.intern(target) for target in one.get("targets", ())),
                one.get("profile"),
            )
            for one in row.get("types", ())
        )
        children: tuple[Element, ...] = ()
        if "elements" in row:
            inherited = self.structure(types[0].code).elements
            children = (
                *(_rename(one, path) for one in inherited),
                *(self._element(child, path) for child in row["elements"]),
            )
        binding = row.get("binding")
        return Element(
            name=sys.intern(row["name"]),
            path=path,
            types=types,
            min=row["min"],
            max=row["max"],
            is_choice=row.get("choice", False),
            is_modifier=row.get("modifier", False),
            is_summary=row.get("summary", False),
            binding=Binding(*binding) if binding else None,
            content_reference=row.get("contentReference"),
            constraints=tuple(Constraint(*item) for item in row.get("constraints", ())),
            elements=children,
        )


@lru_cache(maxsize=1)
def load() -> Definitions:
    """The R4 definitions shipped with this package; read once, shared by all callers."""
    packed = resources.files("fhirserver.definitions").joinpath(DATA_FILE).read_bytes()
    return Definitions(gzip.decompress(packed))


def _rename(element: Element, parent: str) -> Element:
    """An inherited element under the path of the structure that inherits it."""
    return Element(
        name=element.name,
        path=sys.intern(f"{parent}.{element.name}"),
        types=element.types,
        min=element.min,
        max=element.max,
        is_choice=element.is_choice,
        is_modifier=element.is_modifier,
        is_summary=element.is_summary,
        binding=element.binding,
        content_reference=element.content_reference,
        constraints=element.constraints,
        elements=element.elements,
    )


def _codes(codes: list[str]) -> frozenset[str]:
    return frozenset(sys.intern(code) for code in codes)


def _search_parameter(row: dict[str, Any]) -> SearchParameter:
    return SearchParameter(
        code=sys.intern(row["code"]),
        type=sys.intern(row["type"]),  # type: ignore[arg-type]  # compiled from a closed list
        expression=row.get("expression"),
        target=tuple(sys.intern(name) for name in row.get("target", ())),
        components=tuple(
            SearchComponent(one["code"], one["type"], one["expression"], one["url"])
            for one in row.get("components", ())
        ),
        url=row["url"],
    )
