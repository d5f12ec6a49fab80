"""What a resource is found by in the blind index; see `terms`.

This runs for every resource written, so it is arranged for speed: one function per kind of entry,
adding to one set.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any, Final

from fhirserver.search.aliases import ALIASES
from fhirserver.search.coarse import HIDDEN, WORDLESS
from fhirserver.search.entry import (
    DateEntry,
    Entry,
    LogicalEntry,
    OfTypeEntry,
    ReferenceEntry,
    StringEntry,
    TextEntry,
    TokenEntry,
    UriEntry,
    WordEntry,
)
from fhirserver.search.extract import CONTAINED
from fhirserver.search.lean import LEAN, kept
from fhirserver.search.normalize import REMEMBERED, normalize
from fhirserver.search.protected import PROTECTED, index_units
from fhirserver.search.term import (
    ANY_TEXT,
    CUT,
    FLAT_URIS,
    MAX_GRAMS,
    NAMED_APART,
    PREFIX_LENGTH,
    PREFIXED,
    PRESENT,
    TEXT_LENGTH,
    Term,
    grams_of,
    of_type_text,
)
from fhirserver.search.uri import MAX_SEGMENTS, above, unversioned

Add = Callable[[Term], None]


def index_terms(type_: str, entry: Entry) -> set[Term]:
    """Return the terms under which `entry` is found, with the one that says it is present.

    A parameter that is an alias adds none of its own, but for what its sources do not say exactly
    (`patient`, when `subject` is a group or has an identifier only).
    """
    return resource_terms(type_, (entry,))


def resource_terms(type_: str, entries: Sequence[Entry]) -> set[Term]:
    """Return every term of a resource, each once."""
    terms: set[Term] = set()
    add = terms.add
    texts: set[str] = set()
    for entry in entries:
        kind = type(entry)
        if kind is StringEntry:
            present, _ = _keys_of(type_, entry.param)
            if present is not None:
                add(present)
                texts.add(entry.value)  # type: ignore[union-attr, arg-type]
        elif kind is WordEntry:
            if type_ not in WORDLESS or entry.param == CONTAINED:
                add(Term(entry.param, "w" + entry.word))  # type: ignore[union-attr]
        elif _is_met_again(entry):
            terms.update(_remembered(type_, entry))
        else:
            _add_entry(type_, entry, add)
    if texts:
        _add_names(type_, entries, terms)
        _add_letters(texts, terms)
    return kept(type_, terms) if type_ in LEAN else terms


@lru_cache(maxsize=2048)
def _keys_of(type_: str, param: str) -> tuple[Term | None, bool]:
    """Return the term that says that a parameter has a value, and whether values have keys too.

    An alias has no keys for values; where its sources also say that it is present, no term either.
    """
    alias = ALIASES.get((type_, param))
    if alias is None:
        return Term(param, PRESENT), True
    return None if alias.only is None else Term(param, PRESENT), False


def _is_met_again(entry: Entry) -> bool:
    """Whether many resources share such values: codes and profiles do, short enough to be kept."""
    if type(entry) is TokenEntry:
        return len(entry.system or "") + len(entry.code or "") <= REMEMBERED
    return type(entry) is UriEntry and len(entry.value) <= REMEMBERED


@lru_cache(maxsize=8192)
def _remembered(type_: str, entry: Entry) -> frozenset[Term]:
    terms: set[Term] = set()
    _add_entry(type_, entry, terms.add)
    return frozenset(terms)


def _add_entry(type_: str, entry: Entry, add: Add) -> None:
    kind, param = type(entry), entry.param
    if (type_, param) in HIDDEN:
        return
    if kind not in _WITHOUT_PRESENCE:
        present, keyed = _keys_of(type_, param)
        if present is None:
            return
        add(present)
        if not keyed and kind is not LogicalEntry:
            return
    if kind is DateEntry and (type_, param) not in PROTECTED:
        return
    adder = _ADDERS.get(kind)
    if adder is not None:
        adder(entry, add)


def _add_token(entry: TokenEntry, add: Add) -> None:
    param, system, code = entry.param, entry.system, entry.code
    if code is not None:
        add(Term(param, "c" + code))
        if system is None or entry.implied:
            add(Term(param, "n" + code))
    if system is not None:
        add(Term(param, "s" + system))
        if code is not None:
            add(Term(param, f"b{system}{CUT}{code}"))


def _add_reference(entry: ReferenceEntry, add: Add) -> None:
    add(Term(entry.param, entry.target, True))
    if entry.version is not None:
        add(Term(entry.param, unversioned(entry.target), True))


def _add_uri(entry: UriEntry, add: Add) -> None:
    param, value = entry.param, entry.value
    url = unversioned(value)
    add(Term(param, "u" + url))
    if url != value:
        add(Term(param, "u" + value))
    if param not in FLAT_URIS:
        for one in above(url, MAX_SEGMENTS):
            add(Term(param, "v" + one))


def _add_logical(entry: LogicalEntry, add: Add) -> None:
    def add_marked(term: Term) -> None:
        add(Term(term.param, "i" + term.text))

    _add_token(TokenEntry(entry.param, entry.system, entry.value), add_marked)


def _add_date(entry: DateEntry, add: Add) -> None:
    for unit in index_units(entry.lo, entry.hi):
        add(Term(entry.param, "d" + unit))


def _add_text(entry: TextEntry, add: Add) -> None:
    folded = normalize(entry.value)
    if folded:
        add(Term(entry.param, "t" + folded[:TEXT_LENGTH]))


def _add_of_type(entry: OfTypeEntry, add: Add) -> None:
    add(Term(entry.param, of_type_text(entry.system, entry.code, entry.value)))


_WITHOUT_PRESENCE: Final = frozenset({TextEntry, OfTypeEntry})
_ADDERS: Final[dict[type, Callable[[Any, Add], None]]] = {
    TokenEntry: _add_token,
    ReferenceEntry: _add_reference,
    UriEntry: _add_uri,
    LogicalEntry: _add_logical,
    DateEntry: _add_date,
    TextEntry: _add_text,
    OfTypeEntry: _add_of_type,
}


def _add_names(type_: str, entries: Sequence[Entry], terms: set[Term]) -> None:
    names = [one for one in entries if type(one) is StringEntry and one.param in PREFIXED]
    apart = NAMED_APART.get(type_, ())
    elsewhere = {entry.value for entry in names if entry.param in apart}
    for entry in names:
        if entry.param != "name" or entry.value not in elsewhere:
            terms.update(_beginnings(entry.param, normalize(entry.value)[:PREFIX_LENGTH]))


@lru_cache(maxsize=8192)
def _beginnings(param: str, folded: str) -> frozenset[Term]:
    return frozenset(Term(param, "p" + folded[:end]) for end in range(1, len(folded) + 1))


def _add_letters(texts: Iterable[str], terms: set[Term]) -> None:
    grams: set[Term] = set()
    for text in texts:
        grams.update(_known_letters(text) if len(text) <= REMEMBERED else _letters_of(text))
    if len(grams) > MAX_GRAMS:
        terms.add(Term(ANY_TEXT, "g"))
    else:
        terms.update(grams)


def _letters_of(text: str) -> frozenset[Term]:
    return frozenset(Term(ANY_TEXT, "g" + gram) for gram in grams_of(normalize(text)))


_known_letters = lru_cache(maxsize=8192)(_letters_of)
