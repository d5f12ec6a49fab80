"""Types with so many rows that each has only the keys that nothing else can stand in for.

For every request there is an AuditEvent, and most of what could be a key of one is the same in nearly all of them. So a code
has one key whatever its system, and neither a system alone nor that a parameter has a value has any. A search for more
looks the code up and verifies its hits; where nothing is left to look up, it goes through the rows in the order of the page and
verifies each, most of which are hits.

Rows of earlier releases have every key, among them those that are looked for.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from fhirserver.search.term import CUT, PRESENT, AnyOf, Term

# Of each such type the parameters that have no key at all: what this server itself writes is alike in them.
LEAN: Final[Mapping[str, frozenset[str]]] = {
    "AuditEvent": frozenset({"source", "entity-type", "entity-role"}),
}
_BY_IDENTIFIER: Final = "i"


def kept(type_: str, terms: Iterable[Term]) -> set[Term]:
    """Return those of the terms of a resource of a lean type that become keys."""
    return {term for term in terms if _key_of(type_, term) == term}


def looked_up(type_: str, asked: AnyOf, *, denied: bool) -> AnyOf | None:
    """Return by which kept terms what is asked for is found, None where there is none to start from.

    What is `denied` has to be exact: there is none either where hits would have to be verified.
    """
    terms: dict[Term, None] = {}
    for term in asked.terms:
        key = _key_of(type_, term)
        if key is None:
            return None
        terms[key] = None
    exact = asked.exact and terms.keys() == set(asked.terms)
    return None if denied and not exact else AnyOf(tuple(terms), exact, asked.groups)


def _key_of(type_: str, term: Term) -> Term | None:
    """Return the kept term that every resource with `term` has; None where there is none."""
    param, text, reference = term
    if param in LEAN[type_]:
        return None
    if reference:
        return term
    mark = _BY_IDENTIFIER if text.startswith(_BY_IDENTIFIER) else ""
    form, rest = text[len(mark) : len(mark) + 1], text[len(mark) + 1 :]
    if form == "b":
        return Term(param, f"{mark}c{rest.partition(CUT)[2]}")
    if form == "n":
        return Term(param, f"{mark}c{rest}")
    return None if form == "s" or text == PRESENT else term
