"""Loads the compiled R4 definitions and hands them out typed.

The data file is one gzip of JSON, made by `fhirserver.definitions.compile`. Its sections stay
raw bytes until someone asks for a type, so that start-up is quick and a server that only ever
sees twenty resource types never pays for the other hundred and twenty.

What is loaded at run time (packages, tenants' own profiles and search parameters) lies on top:
`Definitions.extended` makes new definitions and leaves the old ones as they were.
"""

import gzip
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import copy
from functools import lru_cache
from importlib import resources
from types import MappingProxyType
from typing import Any, TypeVar

import msgspec

from fhirserver.definitions import shipped
from fhirserver.definitions.canonicals import Canonicals, Lazily
from fhirserver.definitions.custom_parameter import fingerprint, is_usable, parameters_by_base
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

Json = dict[str, Any]

Derived = TypeVar("Derived")


class _File(msgspec.Struct, frozen=True):
    fhirVersion: str  # noqa: N815 - the name FHIR uses
    resourceTypes: dict[str, int]  # noqa: N815
    structures: dict[str, msgspec.Raw]
    valueSets: dict[str, msgspec.Raw]  # noqa: N815
    searchParameters: dict[str, msgspec.Raw]  # noqa: N815
    compartments: dict[str, dict[str, tuple[str, ...]]]


class Definitions:
    """FHIR R4 4.0.1 as data, and what was loaded on top. The base comes from `load()`.

    Never changes; two are equal only when they are the same object.
    """

    def __init__(
        self,
        data: bytes,
        canonicals: Canonicals | None = None,
        parameters: Iterable[Json] = (),
    ) -> None:
        """`data`: the uncompressed content of the compiled file; `canonicals`: what ships beside it.

        `parameters` are SearchParameters that are searched like R4's own.
        """
        self._file = msgspec.json.decode(data, type=_File)
        self.fhir_version = self._file.fhirVersion
        self.resource_types: tuple[str, ...] = tuple(self._file.resourceTypes)
        self._names = {number: name for name, number in self._file.resourceTypes.items()}
        self._structures: dict[str, Structure] = {}
        self._value_sets: dict[str, ValueSet] = {}
        self._search: dict[str, Mapping[str, SearchParameter]] = {}
        self._canonicals = canonicals if canonicals is not None else Canonicals(())
        self._base_search = self._search
        self._shipped = parameters_by_base(parameters, self._any_parameter)
        self._indexed = self._search
        self._custom: Mapping[str, Mapping[str, SearchParameter]] = {}
        self._enabled: frozenset[str] = frozenset()
        self._derived: dict[Callable[[Definitions], Any], Any] = {}

    def extended(
        self, resources: Iterable[Json], enabled_parameters: frozenset[str]
    ) -> "Definitions":
        """Return these definitions with `resources` on top of them; `self` stays as it is.

        Resources of other kinds than `canonicals.PACKAGED` are ignored. `enabled_parameters` are the
        urls of all custom SearchParameters, also of `self`'s, that may be searched by; the others
        are only indexed.
        """
        made = copy(self)
        made._lay(resources, enabled_parameters)  # noqa: SLF001 - of the same class, and new
        return made

    def derived(self, make: Callable[["Definitions"], Derived]) -> Derived:
        """Return what `make` makes of these definitions: made once, kept as long as they are.

        A table keyed by definitions would hold them for ever as soon as what it keeps knows them.
        """
        found: Derived | None = self._derived.get(make)
        if found is None:
            found = self._derived[make] = make(self)
        return found

    def _lay(self, resources: Iterable[Json], enabled_parameters: frozenset[str]) -> None:
        self._derived = {}
        self._canonicals = Canonicals(resources, self._canonicals)
        custom = self._custom_resources()
        if custom:
            self._search, self._indexed = {}, {}
            self._custom = parameters_by_base(custom, self._any_parameter)
            self._enabled = enabled_parameters

    def canonical(self, kind: str, url: str, version: str | None = None) -> Json | None:
        """Return a loaded canonical resource, None when it is not loaded. It must not be changed.

        `kind` is one of `canonicals.PACKAGED`; `url` may carry ``|version``. Without a version the
        newest is meant, a tenant's own before a package's before what ships with the server. The
        base R4 types themselves are no canonical resources here: they are `structure(name)`.
        """
        return self._canonicals.find(kind, url, version)

    def canonicals(self, kind: str) -> Iterator[Json]:
        """Go through every loaded resource of a kind."""
        return self._canonicals.all(kind)

    def profiles(self, resource_type: str) -> tuple[str, ...]:
        """Return the URLs of the loaded profiles on a resource type, in alphabetical order."""
        return tuple(
            sorted(
                {
                    str(one["url"])
                    for one in self.canonicals("StructureDefinition")
                    if one.get("type") == resource_type
                    and one.get("derivation") == "constraint"
                    and one.get("kind") == "resource"
                }
            )
        )

    def pending_parameters(self) -> Mapping[str, str]:
        """Return the custom search parameters that are indexed but not yet searched: url -> fingerprint."""
        return {
            str(one["url"]): fingerprint(one)
            for one in self._custom_resources()
            if one["url"] not in self._enabled
        }

    def _custom_resources(self) -> list[Json]:
        """The custom SearchParameters in use: of each url the newest."""
        kind = "SearchParameter"
        newest = (self.canonical(kind, url) for url in sorted(self._canonicals.urls(kind)))
        return [one for one in newest if one is not None and is_usable(one)]

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
        """Return the parameters one may search a type by, by code. KeyError for an unknown type.

        `_id`, `_lastUpdated` and the others that all resources share are included, and the custom
        ones that are enabled. R4's own answer before custom ones of the same code.
        """
        found = self._search.get(resource_type)
        if found is None:
            custom = self._custom_parameters(resource_type)
            enabled = {code: one for code, one in custom.items() if one.url in self._enabled}
            found = MappingProxyType({**enabled, **self._own_parameters(resource_type)})
            self._search[resource_type] = found
        return found

    def indexed_parameters(self, resource_type: str) -> Mapping[str, SearchParameter]:
        """Return the parameters a write must index a type by, by code. KeyError for an unknown type.

        Those one may search by, and the custom ones whose index is still being built.
        """
        found = self._indexed.get(resource_type)
        if found is None:
            custom = self._custom_parameters(resource_type)
            found = MappingProxyType({**custom, **self._own_parameters(resource_type)})
            self._indexed[resource_type] = found
        return found

    def base_parameters(self, resource_type: str) -> Mapping[str, SearchParameter]:
        """Return R4's own parameters of a type and those that ship beside them. KeyError for an unknown type."""
        return self._own_parameters(resource_type)

    def _own_parameters(self, resource_type: str) -> Mapping[str, SearchParameter]:
        found = self._base_search.get(resource_type)
        if found is None:
            self.type_number(resource_type)
            rows: dict[str, SearchParameter] = {}
            for name in reversed(self._bases(resource_type)):
                for row in self._parameter_rows(name):
                    rows[row["code"]] = _search_parameter(row)
                rows.update(self._shipped.get(name, {}))
            found = self._base_search[resource_type] = MappingProxyType(rows)
        return found

    def _custom_parameters(self, resource_type: str) -> dict[str, SearchParameter]:
        found: dict[str, SearchParameter] = {}
        for name in reversed(self._bases(resource_type)) if self._custom else ():
            found.update(self._custom.get(name, {}))
        return found

    def _parameter_rows(self, base: str) -> list[Json]:
        raw = self._file.searchParameters.get(base)
        rows: list[Json] = msgspec.json.decode(raw) if raw is not None else []
        return rows

    def _any_parameter(self, url: str) -> Json | None:
        """Find a SearchParameter, R4's own included, as far as composites need it."""
        found = self.canonical("SearchParameter", url)
        if found is not None:
            return found
        url = url.partition("|")[0]
        rows = (row for base in self._file.searchParameters for row in self._parameter_rows(base))
        return next((row for row in rows if row["url"] == url), None)

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
    """The definitions shipped with this package; read once, shared by all callers.

    R4 itself, its own profiles and extensions, and what this product defines.
    """
    packed = resources.files("fhirserver.definitions").joinpath(DATA_FILE).read_bytes()
    return Definitions(
        gzip.decompress(packed), Lazily(shipped.canonical_resources), shipped.further_parameters()
    )


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
