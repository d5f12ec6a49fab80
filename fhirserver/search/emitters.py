"""Which emitter reads which datatype for which kind of parameter.

Spec: https://hl7.org/fhir/R4/search.html#table
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol, TypeVar

from fhirserver.definitions.model import Binding, SearchParameter, SearchType, Structure, ValueSet
from fhirserver.search import emit, emit_token

# Pairs that the specification's expressions reach although the datatype has no meaning for the
# kind of parameter: a date written as free text, an age or a range of ages, and a consent's
# attached document.
NO_MEANING: Final[frozenset[tuple[str, str]]] = frozenset(
    {("date", "string"), ("date", "Age"), ("date", "Range"), ("reference", "Attachment")}
)

EmitterOf = Callable[[str], emit.Emitter | None]


Derived = TypeVar("Derived")


class SearchDefinitions(Protocol):
    """The part of `fhirserver.definitions.Definitions` that search needs."""

    @property
    def resource_types(self) -> tuple[str, ...]:
        """The concrete resource types."""
        ...

    def structure(self, name: str) -> Structure:
        """Return a resource type or datatype. KeyError for an unknown name."""
        ...

    def search_parameters(self, resource_type: str) -> Mapping[str, SearchParameter]:
        """Return what a type may be searched by, by code. KeyError for an unknown type."""
        ...

    def indexed_parameters(self, resource_type: str) -> Mapping[str, SearchParameter]:
        """Return what a type is indexed by: also what may not be searched by yet."""
        ...

    def derived(self, make: Callable[[Any], Derived]) -> Derived:
        """Return what `make` makes of these definitions: made once, kept as long as they are."""
        ...

    def compartment(self, name: str) -> Mapping[str, tuple[str, ...]]:
        """Return by type the parameters of a compartment. KeyError for an unknown one."""
        ...

    def value_set(self, url: str) -> ValueSet | None:
        """Return the codes behind a required binding, None for another canonical."""
        ...


_EMITTERS: Final[dict[tuple[str, str], Callable[[emit.Params], emit.Emitter]]] = {
    ("token", "ContactPoint"): emit_token.contact_point,
    ("token", "boolean"): emit_token.boolean,
    ("token", "string"): emit_token.plain_token,
    ("token", "id"): emit_token.plain_token,
    ("token", "uri"): emit_token.plain_token,
    ("token", "oid"): emit_token.plain_token,
    ("token", "uuid"): emit_token.plain_token,
    ("reference", "canonical"): emit.canonical_reference,
    ("reference", "uri"): emit.canonical_reference,
    ("reference", "Resource"): emit.inline_resource,
    ("string", "string"): emit.string,
    ("string", "markdown"): emit.string,
    ("string", "HumanName"): emit.human_name,
    ("string", "Address"): emit.address,
    ("uri", "uri"): emit.uri,
    # Subscription.criteria is a string that holds a canonical.
    ("uri", "string"): emit.uri,
    ("uri", "url"): emit.uri,
    ("uri", "canonical"): emit.uri,
    ("uri", "oid"): emit.uri,
    ("uri", "uuid"): emit.uri,
    ("date", "date"): emit.date,
    ("date", "dateTime"): emit.date,
    ("date", "instant"): emit.date,
    ("date", "Period"): emit.period,
    ("date", "Timing"): emit.timing,
    ("number", "decimal"): emit.number,
    ("number", "integer"): emit.number,
    ("number", "positiveInt"): emit.number,
    ("number", "unsignedInt"): emit.number,
    ("number", "Range"): emit.number_range,
    ("quantity", "Quantity"): emit.quantity,
    ("quantity", "Age"): emit.quantity,
    ("quantity", "Duration"): emit.quantity,
    ("quantity", "Money"): emit.money,
    ("quantity", "Range"): emit.quantity_range,
    ("quantity", "SampledData"): emit.sampled_data,
    ("special", "Location.position"): emit.position,
}

_WORDED: Final = {
    "CodeableConcept": emit_token.codeable_concept,
    "Coding": emit_token.coding,
    "Identifier": emit_token.identifier,
}
_SYSTEM_TYPES: Final = {
    "System.String": "string",
    "System.Boolean": "boolean",
    "System.Integer": "integer",
    "System.Decimal": "decimal",
    "System.Date": "date",
    "System.DateTime": "dateTime",
    "System.Quantity": "Quantity",
}


def has_meaning(kind: SearchType, type_: str) -> bool:
    """Whether the specification gives the datatype a meaning for the kind of parameter."""
    return (kind, type_) not in NO_MEANING


def is_readable(kind: SearchType, type_: str) -> bool:
    """Whether values of the datatype can be searched by parameters of the kind."""
    if kind == "token" and (type_ in _WORDED or type_ == "code"):
        return True
    return (kind, type_) in _EMITTERS or (kind, type_) == ("reference", "Reference")


class Emitters:
    """Makes emitters; `texts` says whether the words beside codes are wanted."""

    def __init__(self, definitions: SearchDefinitions, *, texts: bool) -> None:
        self._definitions = definitions
        self._texts = texts

    def __call__(
        self,
        kind: SearchType,
        type_: str,
        binding: Binding | None,
        params: Sequence[tuple[str, str | None]],
    ) -> emit.Emitter:
        """Return the emitter for `params`, each with the one type of target it is restricted to.

        KeyError where the datatype cannot be searched by that kind of parameter.
        """
        codes = tuple(param for param, _ in params)
        if (kind, type_) == ("reference", "Reference"):
            return emit.reference(tuple(params))
        if kind == "token" and type_ in _WORDED:
            return _WORDED[type_](codes, texts=self._texts)
        if (kind, type_) == ("token", "code"):
            return emit_token.code(codes, self._systems(binding))
        return _EMITTERS[kind, type_](codes)

    def by_type(self, kind: SearchType, param: str) -> EmitterOf:
        """Return what gives the emitter for a value whose type is only known when it is found."""
        made: dict[str, emit.Emitter | None] = {}

        def emitter_of(found: str) -> emit.Emitter | None:
            if found not in made:
                type_ = _SYSTEM_TYPES.get(found, found)
                usable = is_readable(kind, type_)
                made[found] = self(kind, type_, None, [(param, None)]) if usable else None
            return made[found]

        return emitter_of

    def _systems(self, binding: Binding | None) -> Mapping[str, str]:
        """Return the code system of each code of a required binding."""
        if binding is None or binding.strength != "required":
            return {}
        value_set = self._definitions.value_set(binding.value_set)
        if value_set is None:
            return {}
        return {code: system for system, codes in value_set.systems.items() for code in codes}
