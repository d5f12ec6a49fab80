"""What a resource is found by in the blind index; see `terms`.

This runs for every resource written, so it is arranged for speed: one function per kind of entry,
adding to one set.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from fhirserver.search.aliases import ALIASES
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
from fhirserver.search.normalize import normalize
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

# By type, the parameters without keys of their own: True where their presence is said all the same.
_WITHOUT_KEYS: Final[dict[str, dict[str, bool]]] = {}
for (_type, _param), _alias in ALIASES.items():
    _WITHOUT_KEYS.setdefault(_type, {})[_param] = _alias.only is not None
_NONE: Final[dict[str, bool]] = {}


def index_terms(type_: str, entry: Entry) -> frozenset[Term]:
    """Return the terms under which `entry` is found, with the one that says it is present.

    A parameter that is an alias adds none of its own, but for what its sources do not say exactly
    (`patient`, when `subject` is a group or has an identifier only).
    """
    return resource_terms(type_, (entry,))


def resource_terms(type_: str, entries: Sequence[Entry]) -> frozenset[Term]:
    """Return every term of a resource, each once."""
    terms: set[Term] = set()
    add = terms.add
    without_keys = _WITHOUT_KEYS.get(type_, _NONE)
    texts: set[str] = set()
    for entry in entries:
        kind, param = type(entry), entry.param
        if kind not in _WITHOUT_PRESENCE:
            said = without_keys.get(param)
            if said is False:
                continue
            add(Term(param, PRESENT))
            if said and kind is not LogicalEntry:
                continue
        if kind is StringEntry:
            texts.add(str(entry.value))  # type: ignore[union-attr]
        elif kind is DateEntry and (type_, param) not in PROTECTED:
            continue
        adder = _ADDERS.get(kind)
        if adder is not None:
            adder(entry, add)
    if texts:
        _add_names(type_, entries, add)
        _add_letters(texts, add)
    return frozenset(terms)


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


def _add_word(entry: WordEntry, add: Add) -> None:
    add(Term(entry.param, "w" + entry.word))


_WITHOUT_PRESENCE: Final = frozenset({TextEntry, OfTypeEntry, WordEntry})
_ADDERS: Final[dict[type, Callable[[Any, Add], None]]] = {
    TokenEntry: _add_token,
    ReferenceEntry: _add_reference,
    UriEntry: _add_uri,
    LogicalEntry: _add_logical,
    DateEntry: _add_date,
    TextEntry: _add_text,
    OfTypeEntry: _add_of_type,
    WordEntry: _add_word,
}


def _add_names(type_: str, entries: Sequence[Entry], add: Add) -> None:
    names = [one for one in entries if type(one) is StringEntry and one.param in PREFIXED]
    apart = NAMED_APART.get(type_, ())
    elsewhere = {entry.value for entry in names if entry.param in apart}
    for entry in names:
        if entry.param == "name" and entry.value in elsewhere:
            continue
        folded = normalize(entry.value)[:PREFIX_LENGTH]
        for end in range(1, len(folded) + 1):
            add(Term(entry.param, "p" + folded[:end]))


def _add_letters(texts: Iterable[str], add: Add) -> None:
    grams: set[str] = set()
    for text in texts:
        grams.update(grams_of(normalize(text)))
    if len(grams) > MAX_GRAMS:
        add(Term(ANY_TEXT, "g"))
    else:
        for gram in grams:
            add(Term(ANY_TEXT, "g" + gram))
