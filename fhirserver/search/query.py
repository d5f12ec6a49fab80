"""From the name/value pairs of a request to a `Query`, or a refusal that says what is wrong.

Nothing is ignored: an unknown parameter, modifier or prefix, or a value that cannot be read, is
refused and named. (The specification lets servers ignore what they do not know; then a misspelt
parameter returns everything, which is no answer in a clinic.) A lenient request has such parameters
left out, and `Query.ignored` names them.

Spec: https://hl7.org/fhir/R4/search.html
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final, TypeVar

from fhirserver.kernel.errors import BadRequest
from fhirserver.search import results
from fhirserver.search.asked import (
    DEFAULT_COUNT,
    MAX_COUNT,
    Include,
    Query,
    Shape,
    SortKey,
    Wanted,
)
from fhirserver.search.condition import Condition, IdValue, ReferenceValue
from fhirserver.search.criterion import AllOf, AnyOf, Contained, Criterion
from fhirserver.search.emitters import SearchDefinitions
from fhirserver.search.filter_expression import parse_filter
from fhirserver.search.leaf import MAX_VALUES, supported_parameters
from fhirserver.search.names import Names
from fhirserver.search.refusal import OverBoundError, shown
from fhirserver.search.results import RESULT_PARAMETERS
from fhirserver.search.terminology import Terminology

__all__ = [
    "DEFAULT_COUNT",
    "MAX_COUNT",
    "MAX_LENGTH",
    "MAX_PAIRS",
    "MAX_VALUES",
    "RESULT_PARAMETERS",
    "Include",
    "Query",
    "Shape",
    "SortKey",
    "Wanted",
    "parse",
    "supported_parameters",
]

_T = TypeVar("_T")

MAX_PAIRS: Final = 100
# All names and values of a request together, in characters.
MAX_LENGTH: Final = 200_000
_TYPE: Final = "_type"
_FILTER: Final = "_filter"
# The compartment's own definition, in the table of its parameters.
_ITSELF: Final = "{def}"


def parse(
    types: str | Sequence[str],
    pairs: Sequence[tuple[str, str]],
    definitions: SearchDefinitions,
    *,
    base: str = "",
    terminology: Terminology | None = None,
    lenient: bool = False,
    compartment: tuple[str, str] | None = None,
) -> Query:
    """Return the query of the decoded name/value `pairs` of a URL or form.

    `types` is the type that is searched, or several, among which `_type` can choose. `base` is the
    server's FHIR base URL: a reference given below it also means the relative one. `terminology`
    answers for value sets and codes. `compartment` (type, id) leaves only what is in it.

    Transport parameters (`_format`, `_pretty`) must have been taken out. Raises `BadRequest` naming
    the parameter, for everything that is not supported, not readable or over a bound;
    KeyError for an unknown type among `types`.
    """
    if len(pairs) > MAX_PAIRS:
        raise OverBoundError(f"more than {MAX_PAIRS} search parameters")
    if sum(len(name) + len(text) for name, text in pairs) > MAX_LENGTH:
        raise OverBoundError(f"the search parameters are longer than {MAX_LENGTH} characters")
    names = Names(definitions, terminology, base.rstrip("/"))
    request = _Request(definitions, names, lenient=lenient)
    return request.query([types] if isinstance(types, str) else list(types), pairs, compartment)


class _Request:
    def __init__(self, definitions: SearchDefinitions, names: Names, *, lenient: bool) -> None:
        self._definitions = definitions
        self._names = names
        self._lenient = lenient
        self._ignored: list[str] = []

    def query(
        self,
        types: list[str],
        pairs: Sequence[tuple[str, str]],
        compartment: tuple[str, str] | None,
    ) -> Query:
        for type_ in types:
            self._definitions.search_parameters(type_)
        once = _once(pairs)
        types = self._chosen(types, once.get(_TYPE))
        inside = {} if compartment is None else self._inside(types, *compartment)
        types = [one for one in types if compartment is None or one in inside]
        where = {type_: [inside[type_]] if compartment is not None else [] for type_ in types}
        includes: list[Include] = []
        for name, text in pairs:
            code = name.partition(":")[0]
            if code in results.INCLUDES:
                include = self._attempt(name, partial(self._include, name, text, types))
                includes += [] if include is None else [include]
            elif name not in (*results.ONCE, _TYPE):
                found = self._attempt(name, partial(self._criteria, name, text, types))
                for type_, criterion in (found or {}).items():
                    where[type_].append(criterion)
        if len(includes) > results.MAX_INCLUDES:
            raise OverBoundError(f"more than {results.MAX_INCLUDES} includes")
        shape = self._shape(once, types)
        wanted = tuple(Wanted(type_, AllOf(tuple(parts))) for type_, parts in where.items())
        return Query(
            wanted=self._with_contained(wanted, shape),
            sort=self._attempt(
                "_sort", lambda: results.sort(types, once.get("_sort", ""), self._definitions)
            )
            or (),
            count=self._count(once.get("_count")),
            cursor_key=results.cursor(once.get("_cursor")),
            includes=tuple(includes),
            total=self._attempt("_total", lambda: results.total(once.get("_total"))) or "none",
            shape=shape,
            explain=bool(self._attempt("_explain", lambda: results.explain(once.get("_explain")))),
            ignored=tuple(dict.fromkeys(self._ignored)),
            applied=tuple(pair for pair in pairs if pair[0] not in self._ignored),
            scope="" if compartment is None else "/".join(compartment),
        )

    def _attempt(self, name: str, make: Callable[[], _T]) -> _T | None:
        """Return what `make` gives; where it refuses a lenient request, None, and `name` is kept."""
        try:
            return make()
        except OverBoundError:
            raise
        except BadRequest:
            if not self._lenient:
                raise
            self._ignored.append(name)
            return None

    def _chosen(self, types: list[str], text: str | None) -> list[str]:
        if text is None:
            return types
        if len(types) == 1:
            raise BadRequest("parameter _type: the URL already names the type")
        chosen = list(dict.fromkeys(text.split(",")))
        for one in chosen:
            results.require_type(one, _TYPE, self._definitions)
            if one not in types:
                raise BadRequest(f"parameter _type: {one} is not searched here")
        return chosen

    def _inside(self, types: list[str], owner: str, id_: str) -> dict[str, Criterion]:
        """Return for each type that can be in the compartment what its members meet."""
        try:
            table = self._definitions.compartment(owner)
        except KeyError:
            raise BadRequest(f"{shown(owner)} has no compartment") from None
        own = f"{owner}/{id_}"
        inside: dict[str, Criterion] = {}
        for type_ in types:
            codes = [code for code in table.get(type_, ()) if code != _ITSELF]
            parts: list[Criterion] = [
                Condition(code, "reference", None, (ReferenceValue((own,)),), "terms")
                for code in codes
            ]
            if type_ == owner:
                parts.append(Condition("_id", "token", None, (IdValue(id_),), "id"))
            if parts:
                inside[type_] = AnyOf(tuple(parts))
        if not inside:
            raise BadRequest(f"{', '.join(types)} is never in the compartment of a {owner}")
        return inside

    def _criteria(self, name: str, text: str, types: list[str]) -> dict[str, Criterion]:
        if name == _FILTER:
            return {type_: parse_filter(type_, text, self._names) for type_ in types}
        if not types:
            return {}
        return {type_: self._names.criterion(type_, name, text) for type_ in types}

    def _include(self, name: str, text: str, types: list[str]) -> Include:
        return results.include(name, text, types, self._definitions)

    def _count(self, text: str | None) -> int:
        found = self._attempt("_count", lambda: results.count(text))
        return DEFAULT_COUNT if found is None else found

    def _shape(self, once: Mapping[str, str], types: list[str]) -> Shape:
        """Return the shape; each of its parameters is refused, or ignored, by itself."""
        kept: dict[str, str] = {}
        read = partial(results.shape, types=types, definitions=self._definitions)
        for name in ("_summary", "_elements", "_contained", "_containedType"):
            if name in once:
                only = {name: once[name]}
                if self._attempt(name, partial(read, only)) is not None:
                    kept |= only
        return read(kept)

    def _with_contained(self, wanted: tuple[Wanted, ...], shape: Shape) -> tuple[Wanted, ...]:
        """Look for matches inside other resources, whatever their type, where that is asked for."""
        if shape.contained == "false":
            return wanted
        if len(wanted) != 1:
            raise BadRequest("parameter _contained: only with a search for one type")
        (only,) = wanted
        within = Contained(only.type, only.where)
        others = tuple(
            Wanted(type_, within)
            for type_ in self._definitions.resource_types
            if type_ != only.type or shape.contained == "true"
        )
        if shape.contained == "true":
            return others
        return (Wanted(only.type, AnyOf((only.where, within))), *others)


def _once(pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, text in pairs:
        if name in (*results.ONCE, _TYPE):
            if name in found:
                raise BadRequest(f"parameter {name} may be given once only")
            found[name] = text
    return found
