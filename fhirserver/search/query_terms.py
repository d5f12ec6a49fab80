"""What a query looks for in the blind index; see `terms`."""

from collections.abc import Sequence
from itertools import chain, product
from math import prod
from typing import Final, NamedTuple

from fhirserver.fhirpath.reference import parse_reference
from fhirserver.search.aliases import ALIASES, sources
from fhirserver.search.coarse import HIDDEN, WORDLESS
from fhirserver.search.comparison import date_comparison
from fhirserver.search.condition import (
    Condition,
    DateValue,
    MembersValue,
    OfTypeValue,
    ReferenceValue,
    StringValue,
    TokenValue,
    UriValue,
    Value,
)
from fhirserver.search.criterion import Contained, FullText, Near
from fhirserver.search.extract import CONTAINED
from fhirserver.search.full_text import WORDLESS_TYPES
from fhirserver.search.lean import LEAN, looked_up
from fhirserver.search.protected import PROTECTED, query_units
from fhirserver.search.term import (
    ANY_TEXT,
    FLAT_URIS,
    MAX_LOOKED_UP,
    MAX_WORDS_LOOKED_UP,
    NAMED_APART,
    PREFIX_LENGTH,
    PREFIXED,
    PRESENT,
    TEXT_LENGTH,
    AnyOf,
    Term,
    grams_of,
    of_type_text,
    token_text,
)
from fhirserver.search.uri import MAX_SEGMENTS, above, bare

# Of several conditions on one date, each with any of its values, these many ways to meet them all are looked at.
_MOST_ALTERNATIVES: Final = 64


def query_terms(type_: str, asked: Condition | FullText | Near | Contained) -> AnyOf | None:
    """Return the terms that answer what is asked of resources of `type_`.

    A condition must be answered by "terms" or "scan". No terms and no groups mean no hits; None
    means that there is no key to start from, and only `match` can tell. A negated condition that
    has terms is always exact.
    """
    if isinstance(asked, Condition) and (type_, asked.param) in HIDDEN:
        return None
    found = _of_all_keys(type_, asked)
    if found is None or type_ not in LEAN:
        return found
    return looked_up(type_, found, denied=isinstance(asked, Condition) and asked.negated)


def _of_all_keys(type_: str, asked: Condition | FullText | Near | Contained) -> AnyOf | None:
    match asked:
        case Near(param=param):
            return AnyOf((Term(param, PRESENT),), False)
        case Contained(type=type_of_contained):
            return AnyOf((Term(CONTAINED, "w" + type_of_contained),), False)
        case FullText():
            return _words(type_, asked)
        case Condition(answered_by="scan"):
            return None
        case Condition(missing=bool()):
            return AnyOf(_present(type_, asked), True)
        case _:
            return _values(type_, asked)


def is_protected_date(type_: str, asked: Condition) -> bool:
    """Return whether a condition asks for a protected date, of which a resource has one at most, by its units."""
    place = (type_, asked.param)
    by_units = asked.modifier is None and asked.answered_by == "terms"
    return by_units and place in PROTECTED and place not in HIDDEN


def terms_of_all(conditions: Sequence[Condition]) -> AnyOf | None:
    """Return the terms that answer several conditions on one protected date together; None where they are too many.

    From one year to another, that is the units between the two, not all behind the one and all before the other.
    """
    alternatives = [
        [
            tests
            for one in asked.values
            if isinstance(one, DateValue)
            for tests in date_comparison(one)
        ]
        for asked in conditions
    ]
    if prod(map(len, alternatives)) > _MOST_ALTERNATIVES:
        return None
    joined = tuple(tuple(chain.from_iterable(chosen)) for chosen in product(*alternatives))
    units, exact = query_units(joined)
    return AnyOf(tuple(Term(conditions[0].param, "d" + unit) for unit in units), exact)


def _words(type_: str, asked: FullText) -> AnyOf | None:
    if type_ in WORDLESS or (type_ in WORDLESS_TYPES and asked.param == "_content"):
        return None
    # Elsewhere the narrative's words are found among those of the content.
    param = asked.param if type_ in WORDLESS_TYPES else "_content"
    longest = sorted(set(asked.words), key=lambda word: (-len(word), word))
    ways = [_ways(param, word) for word in longest[:MAX_WORDS_LOOKED_UP]]
    groups = tuple(tuple(term for way in chosen for term in way) for chosen in product(*ways))
    return AnyOf((Term(param, "w"), Term(ANY_TEXT, "g")), False, groups)


def _ways(param: str, word: str) -> tuple[tuple[Term, ...], ...]:
    """Return the ways to find a word: by its key, or by its letters in some text."""
    own = (Term(param, "w" + word),)
    grams = grams_of(word)[:MAX_LOOKED_UP]
    return (own, tuple(Term(ANY_TEXT, "g" + gram) for gram in grams)) if grams else (own,)


def _present(type_: str, condition: Condition) -> tuple[Term, ...]:
    alias = ALIASES.get((type_, condition.param))
    plain = alias is None or alias.only is not None
    params = (condition.param,) if plain else sources(type_, condition.param)
    return tuple(Term(param, PRESENT) for param in params)


def _values(type_: str, condition: Condition) -> AnyOf:
    alias = ALIASES.get((type_, condition.param))
    restricted = alias is not None and alias.only is not None
    if restricted and condition.modifier == "identifier":
        params: tuple[str, ...] = (condition.param,)
    else:
        params = _looked_under(type_, condition.param)
    terms: dict[Term, None] = {}
    groups: list[tuple[Term, ...]] = []
    exact = True
    for value in condition.values:
        if condition.modifier == "unequal":
            found = _CANDIDATES
        elif restricted and condition.modifier != "identifier":
            found = _restricted(value, alias.only if alias is not None else None)
        else:
            found = _look_up(type_, condition, value)
        exact = exact and found.exact
        if found.present:
            terms.update(dict.fromkeys(_present(type_, condition)))
        for param in params:
            terms.update((Term(param, text, found.reference), None) for text in found.texts)
        if found.grams:
            terms[Term(ANY_TEXT, "g")] = None
            groups.append(tuple(Term(ANY_TEXT, "g" + gram) for gram in found.grams))
    return AnyOf(tuple(terms), exact, tuple(groups))


def _looked_under(type_: str, param: str) -> tuple[str, ...]:
    params = sources(type_, param)
    return (*params, *NAMED_APART.get(type_, ())) if "name" in params else params


class _Found(NamedTuple):
    """What one value is looked up by: any of `texts`, all of `grams`, or mere presence."""

    texts: tuple[str, ...] = ()
    exact: bool = True
    grams: tuple[str, ...] = ()
    present: bool = False
    reference: bool = False


_CANDIDATES: Final = _Found(exact=False, present=True)


def _look_up(type_: str, condition: Condition, value: Value) -> _Found:
    modifier = condition.modifier
    match value:
        case TokenValue(system=system, code=code):
            if modifier == "below" and system is None:
                return _CANDIDATES
            text = token_text(system, code)
            return _Found(("i" + text if modifier == "identifier" else text,))
        case OfTypeValue(system=system, code=code, value=text):
            return _Found((of_type_text(system, code, text),))
        case MembersValue():
            return _CANDIDATES
        case ReferenceValue(targets=targets):
            return _Found(targets, reference=True)
        case StringValue():
            return _string(type_, condition, value)
        case UriValue(text=text):
            return _uri(condition, text)
        case DateValue():
            units, exact = query_units(date_comparison(value))
            return _Found(tuple("d" + unit for unit in units), exact)
        case _:
            raise TypeError("a number is not answered by terms")


def _string(type_: str, condition: Condition, value: StringValue) -> _Found:
    normalized = value.normalized
    if condition.modifier == "text":
        if type_ in WORDLESS_TYPES or len(normalized) < TEXT_LENGTH:
            return _CANDIDATES
        return _Found(("t" + normalized[:TEXT_LENGTH],), exact=False)
    if condition.modifier is None and "name" in sources(type_, condition.param):
        return _prefix(normalized, exact=True)
    if condition.modifier in (None, "exact", "equals") and condition.param in PREFIXED:
        return _prefix(normalized, exact=condition.modifier is None)
    grams = grams_of(normalized)[:MAX_LOOKED_UP]
    if not grams:
        return _CANDIDATES
    # Rows of earlier releases have first letters for every text.
    early = condition.modifier in (None, "exact", "equals")
    return _Found(("p" + normalized[:PREFIX_LENGTH],) if early else (), False, grams)


def _prefix(normalized: str, *, exact: bool) -> _Found:
    short = len(normalized) <= PREFIX_LENGTH
    return _Found(("p" + normalized[:PREFIX_LENGTH],) if normalized else (), exact and short)


def _uri(condition: Condition, text: str) -> _Found:
    match condition.modifier:
        case "above":
            return _Found(tuple("u" + one + end for one in above(text) for end in ("", "/")))
        case "below" if condition.param not in FLAT_URIS and text.count("/") < MAX_SEGMENTS:
            return _Found(("v" + bare(text),))
        case None | "missing" | "equals":
            return _Found(("u" + text,))
        case _:
            return _CANDIDATES


def _restricted(value: Value, only: str | None) -> _Found:
    """Return the targets that can be of type `only`.

    A URL that names no type may be one, because `Reference.type` may say so: that is verified.
    """
    if not isinstance(value, ReferenceValue):
        raise TypeError("only references are restricted to a type")
    types = {text: _type_of(text) for text in value.targets}
    texts = tuple(text for text, type_ in types.items() if type_ in (only, None))
    return _Found(texts, None not in types.values(), reference=True)


def _type_of(text: str) -> str | None:
    target = parse_reference(text)
    return None if target is None else target.type
