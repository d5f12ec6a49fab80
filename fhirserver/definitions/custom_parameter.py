"""Search parameters that are not part of R4: from packages and from tenants' own resources.

Spec: https://hl7.org/fhir/R4/searchparameter.html
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol, get_args

from fhirserver.definitions.model import SearchComponent, SearchParameter, SearchType
from fhirserver.definitions.union import head, union_parts

Json = dict[str, Any]

Find = Callable[[str], Json | None]
"""Finds a SearchParameter by its canonical."""

_TYPES = frozenset(get_args(SearchType))
_SHARED = frozenset({"Resource", "DomainResource"})
_MEANING = ("code", "base", "type", "expression", "target", "component")


def fingerprint(resource: Json) -> str:
    """Return a text that changes whenever what a SearchParameter finds may have changed."""
    meaning = {name: resource.get(name) for name in _MEANING}
    text = json.dumps(meaning, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def is_usable(resource: Json) -> bool:
    """Whether a SearchParameter resource may be used at all: not retired, of a known type, with a path."""
    return (
        resource.get("status") in ("draft", "active")
        and resource.get("type") in _TYPES
        and isinstance(resource.get("expression"), str)
        and isinstance(resource.get("code"), str)
        and isinstance(resource.get("base"), list)
    )


class BaseParameters(Protocol):
    """The part of `Definitions` that knows R4's own parameters."""

    def is_resource_type(self, name: object) -> bool:
        """Whether `name` is a concrete R4 resource type."""

    def base_parameters(self, resource_type: str) -> Mapping[str, SearchParameter]:
        """Return R4's own parameters of a type, by code."""


def searched_bases(resource: Json, definitions: BaseParameters) -> list[str]:
    """Return the types a SearchParameter is really searched on; none when it cannot be used.

    R4's own parameter of the same code goes on to answer for its type.
    """
    if resource.get("resourceType") != "SearchParameter" or not is_usable(resource):
        return []
    code, known = resource["code"], definitions.is_resource_type
    return [
        base
        for base in resource["base"]
        if not (known(base) and code in definitions.base_parameters(base))
    ]


def parameters_by_base(
    resources: Iterable[Json], find: Find
) -> Mapping[str, Mapping[str, SearchParameter]]:
    """Return the usable ones of `resources` by base type and code.

    `find` gives the definitions of composites' components; a composite with one that is not
    loaded is left out.
    """
    found: dict[str, dict[str, SearchParameter]] = {}
    for resource in resources:
        if not is_usable(resource):
            continue
        components = _components(resource, find)
        if components is None:
            continue
        for base in resource["base"]:
            parameter = SearchParameter(
                code=resource["code"],
                type=resource["type"],
                expression=expression_for(resource["expression"], base),
                target=tuple(resource.get("target", ())),
                components=components,
                url=resource["url"],
            )
            found.setdefault(base, {})[resource["code"]] = parameter
    return found


def expression_for(expression: str, base: str) -> str:
    """Return the parts of a union that are about `base`; all of it where none names the type."""
    parts = union_parts(expression)
    own = [part for part in parts if base not in _SHARED and head(part) == base]
    return " | ".join(own) if own else expression


def _components(resource: Json, find: Find) -> tuple[SearchComponent, ...] | None:
    components = []
    for row in resource.get("component", ()):
        part = find(str(row.get("definition")))
        if part is None:
            return None
        components.append(
            SearchComponent(part["code"], part["type"], row["expression"], part["url"])
        )
    return tuple(components)
