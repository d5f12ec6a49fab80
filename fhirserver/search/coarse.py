"""What the index must not tell by frequency: a reviewed table of parameters whose values few or many people share.

A keyed hash of a value hides the value, not how often it occurs, and whoever holds a copy of the database and knows how
frequent names, sexes and years of birth are could give keys their values back. So values of the parameters here are

- hidden: they have no key at all. Domains of a few values, where every difference of frequency tells. Searches look at
  candidates and verify.
- spread: a value that more than `UNIT` of all rows share has as many keys as it is more frequent than that, among which
  the id of the resource chooses. All keys are about equally frequent then, and a search asks for all of a value's
  keys: it stays exact.
- cut and spread: birth dates are keyed by quarters, months and days, never by years (`protected`), and quarters and
  months are spread.

How frequent the values are is shipped for names (`common_names.json`: thousandths of the people in the tables of names
of the 1990 census of the USA, public domain; letters of addresses are an estimate [P]) and for births (as many in every
year of `_BORN` [P]), and measured by re-keying the index.

Everything else is exact, and docs/encryption.md says what that leaves to be seen.
"""

import json
from collections import Counter
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Final

from fhirserver.search.protected import PROTECTED
from fhirserver.search.term import ANY_TEXT, PREFIXED, Term

# The share of rows above which a value has more than one key.
UNIT: Final = 0.001
# The same for quarters and months of birth, all of which are about equally frequent.
UNIT_OF_DATES: Final = 0.0005
# Keys of one value at most: a search asks for all of them.
MOST: Final = 400
# A value is bare while it should have this many times the keys it has: up to twice as many come by rounding and chance.
_BARE: Final = 3
# Fewer rows than these with a value are no ground to call it bare.
_SEEN: Final = 5

PEOPLE: Final = frozenset({"Patient", "Person", "RelatedPerson", "Practitioner"})

# No key at all, not even for presence: (type, parameter) -> why.
HIDDEN: Final[Mapping[tuple[str, str], str]] = {
    **dict.fromkeys(((one, "gender") for one in PEOPLE), "two values halve everybody"),
    **dict.fromkeys(((one, "address-use") for one in PEOPLE), "a handful of values"),
    ("Patient", "active"): "two values",
    ("Practitioner", "active"): "two values",
    ("RelatedPerson", "active"): "two values",
    ("Patient", "deceased"): "presence alone tells",
    ("Patient", "death-date"): "presence alone tells",
    ("Patient", "language"): "one value in four of five people, few others",
    ("Practitioner", "communication"): "as Patient.language",
    ("RelatedPerson", "relationship"): "a handful of values",
    ("Condition", "clinical-status"): "six values",
    ("Condition", "verification-status"): "six values",
    ("Condition", "severity"): "three values",
    ("AllergyIntolerance", "criticality"): "three values",
    ("AllergyIntolerance", "clinical-status"): "three values",
    ("AllergyIntolerance", "verification-status"): "four values",
}

# Words of these are looked at in candidates: in a record about a person they are its sex, language, marital status.
WORDLESS: Final = PEOPLE

# Codes of diagnoses and treatments: spread as far as re-keying has measured them.
CODES: Final = frozenset(
    {
        ("Condition", "code"),
        ("Condition", "category"),
        ("AllergyIntolerance", "code"),
        ("Immunization", "vaccine-code"),
        ("MedicationRequest", "code"),
        ("Procedure", "code"),
    }
)
# The types whose values re-keying counts.
MEASURED: Final = PEOPLE | {type_ for type_, _ in CODES}

_NAMES: Final = "common_names.json"
_PREFIX, _LETTERS, _DATE, _CODE_FORMS = "p", "g", "d", frozenset("cnbt")
_BORN: Final = range(1930, 2010)


def place(type_: str, term: Term) -> str | None:
    """Return under what name the spread of a term's value is kept; None for values that are never spread."""
    if type_ not in MEASURED or term.reference:
        return None
    param, text = term.param, term.text
    if type_ in PEOPLE:
        if text[0] == _DATE and (type_, param) in PROTECTED:
            return f"{type_}|{param}|{text}"
        named = param in PREFIXED and text[0] == _PREFIX
        if named or (param == ANY_TEXT and text[0] == _LETTERS and len(text) > 1):
            return f"{type_}|{param}|{text}"
        return None
    coded = (type_, param) in CODES and text[0] in _CODE_FORMS
    return f"{type_}|{param}|{text}" if coded else None


def spread_of(counts: Mapping[str, int], rows: int) -> dict[str, int]:
    """Return over how many keys each value is spread that occurs so often in `rows` rows, where it is more than one."""
    if not rows:
        return {}
    found = {name: min(round(count / rows / _unit(name)), MOST) for name, count in counts.items()}
    return {name: several for name, several in found.items() if several > 1}


def share_of(type_: str, term: Term, several: int) -> float:
    """Return about what share of the rows of a type have a value that stands under so many keys, more than one."""
    dated = type_ in PEOPLE and term.text[0] == _DATE
    return min(1.0, several * (UNIT_OF_DATES if dated else UNIT)) if several < MOST else 1.0


def bare(
    counts: Mapping[str, int], rows: int, spread: Mapping[str, int] | None
) -> dict[str, float]:
    """Return by column the share of what stands there under far fewer keys than its value should have.

    `counts` says how often each value occurs in `rows` rows of one type. A column is a parameter and the form of its
    terms: beginnings of one length, letters, quarters, months, one form of codes.
    """
    every: Counter[str] = Counter()
    found: Counter[str] = Counter()
    for name, count in counts.items():
        column = _column(name)
        every[column] += count
        wanted = min(round(count / rows / _unit(name)), MOST)
        if count >= _SEEN and wanted >= _BARE * (spread or {}).get(name, 1):
            found[column] += count
    return {column: count / max(every[column], rows) for column, count in found.items()}


def _column(name: str) -> str:
    type_, param, text = name.split("|", 2)
    form = text[0]
    if form == _PREFIX:
        return f"{type_}.{param}, first {len(text) - 1}"
    if form == _LETTERS:
        return f"{type_} letters"
    if form == _DATE:
        unit = "quarter" if "quarter" in text else "whole" if "only" in text else "month or day"
        return f"{type_}.{param} by {unit}"
    return f"{type_}.{param} {form}"


def _unit(name: str) -> float:
    type_, _, rest = name.partition("|")
    dated = type_ in PEOPLE and rest.partition("|")[2].startswith(_DATE)
    return UNIT_OF_DATES if dated else UNIT


@lru_cache(maxsize=1)
def shipped() -> Mapping[str, int]:
    """Return the spread of names before anything was measured."""
    known = json.loads(files(__package__).joinpath(_NAMES).read_text(encoding="utf-8"))
    both = {
        text: known["family"].get(text, 0) + known["given"].get(text, 0)
        for text in known["family"] | known["given"]
    }
    shares = {"family": known["family"], "given": known["given"], "name": both}
    found = {
        f"{type_}|{param}|{_PREFIX}{text}": min(several, MOST)
        for type_ in PEOPLE
        for param, of in shares.items()
        for text, several in of.items()
    }
    letters = {
        f"{type_}|{ANY_TEXT}|{_LETTERS}{text}": min(several, MOST)
        for type_ in PEOPLE
        for text, several in known["letters"].items()
    }
    a_month = 1 / len(_BORN) / 12
    born = {
        f"{type_}|{param}|{_DATE}{unit}": round(share / UNIT_OF_DATES)
        for type_, param in PROTECTED
        for year in _BORN
        for unit, share in (
            *((f"{year} quarter {one}", 3 * a_month) for one in range(1, 5)),
            *((f"{year}-{one:02}", a_month) for one in range(1, 13)),
        )
    }
    return {name: several for name, several in (found | letters | born).items() if several > 1}
