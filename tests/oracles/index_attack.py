"""An attack on the blind index: frequency analysis and rank matching over a copy of the database.

    python -m tests.oracles.index_attack --patients 100000

The attacker has the keys of every row and knows more than one in the world would: which key belongs to which column,
how often every value occurs in this very population, and over how many keys the server spreads it. It does not know
the key of the index. Of each column it matches keys to values by the rank of their frequencies (as in Naveed, Kamara
and Wright, "Inference attacks on property-preserving encrypted databases", CCS 2015), and guesses the most frequent
value where there is no key. What it recovers is told in percent of all rows beside the base rate, which is what always
guessing the most frequent value gets right.

Names are drawn from the tables of the 1990 census of the USA (public domain, `census_names.json`: the most frequent
ones); the other distributions are made up to be as uneven as those of people on dialysis in the USA.
"""

import argparse
import json
import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import accumulate
from pathlib import Path
from typing import Any, Final

from fhirserver.crypto.blind_index import BlindIndex
from fhirserver.definitions import Definitions, load
from fhirserver.search import coarse
from fhirserver.search.extract import extract
from fhirserver.search.term import Term
from fhirserver.search.terms import resource_terms
from fhirserver.store.rows import indexed_key

Json = dict[str, Any]

ALLOWED_POINTS: Final = 5.0
_HERE: Final = Path(__file__).parent
_KEY: Final = bytes(range(32))
_LANGUAGES: Final = {"en": 780, "es": 130, "zh": 12, "tl": 8, "vi": 6, "fr": 5, "ar": 4, "ko": 4, "de": 3, "ru": 3}  # fmt: skip
_MARITAL: Final = {"M": 480, "S": 230, "W": 140, "D": 120, "L": 30}
_GENDERS: Final = {"male": 570, "female": 424, "other": 4, "unknown": 2}
_DIAGNOSES: Final = {
    "N18.6": 400, "I12.0": 150, "E11.22": 120, "D63.1": 90, "N25.81": 70, "I50.9": 50, "Z99.2": 40, "E78.5": 30,
    "I25.10": 20, "F32.9": 12, "B18.2": 8, "B20": 4, "C64.9": 3, "F20.9": 3,
}  # fmt: skip
_CITIES: Final = 400


@dataclass(frozen=True, slots=True)
class Column:
    """What was recovered of one column, in percent of its values."""

    name: str
    values: int
    keys: int
    base: float
    recovered: float

    @property
    def points(self) -> float:
        """How much more was recovered than by always guessing the most frequent value."""
        return self.recovered - self.base


class Population:
    """People drawn from the distributions above, always the same for a seed."""

    def __init__(self, seed: int) -> None:
        """Draw by `seed`."""
        names = json.loads((_HERE / "census_names.json").read_text())
        self._random = random.Random(seed)
        self._tables = {name: _table(dict(pairs)) for name, pairs in names.items()}
        self._others = {
            "language": _table(_LANGUAGES),
            "marital": _table(_MARITAL),
            "gender": _table(_GENDERS),
            "diagnosis": _table(_DIAGNOSES),
            # As sizes of cities go: the n-th has an n-th of the first.
            "place": _table({str(one): 10_000 // (one + 1) for one in range(_CITIES)}),
        }

    def patient(self, number: int) -> Json:
        """Return the next patient."""
        gender = self._draw("gender")
        given = self._draw("female" if gender == "female" else "male").title()
        place = int(self._draw("place"))
        language, marital = self._draw("language"), self._draw("marital")
        # Around 64 years, most between 35 and 90.
        days = int(min(max(self._random.gauss(64, 15), 1), 100) * 365.25)
        body: Json = {
            "resourceType": "Patient",
            "id": f"p{number}",
            "active": self._random.random() < 0.93,
            "gender": gender,
            "name": [{"family": self._draw("family").title(), "given": [given]}],
            "birthDate": (date(2026, 1, 1) - timedelta(days=days)).isoformat(),
            "address": [
                {
                    "line": [f"{number % 9000} Main Street"],
                    "city": f"Town{place:03}",
                    "state": f"S{place % 50:02}",
                    "postalCode": f"{10_000 + 37 * place}",
                    "country": "USA",
                }
            ],
            "communication": [
                {"language": {"coding": [{"system": "urn:ietf:bcp:47", "code": language}]}}
            ],
            "maritalStatus": {"coding": [{"code": marital, "display": f"marital {marital}"}]},
        }
        if self._random.random() < 0.14:
            body["deceasedBoolean"] = True
        return body

    def condition(self, number: int) -> Json:
        """Return a diagnosis of somebody."""
        code = self._draw("diagnosis")
        return {
            "resourceType": "Condition",
            "id": f"c{number}",
            "clinicalStatus": {"coding": [{"code": "active" if number % 5 else "resolved"}]},
            "code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": code}]},
            "subject": {"reference": f"Patient/p{number}"},
        }

    def _draw(self, name: str) -> str:
        values, weights = self._tables.get(name) or self._others[name]
        return self._random.choices(values, cum_weights=weights)[0]


def _table(weighted: Mapping[str, float]) -> tuple[list[str], list[float]]:
    return list(weighted), list(accumulate(weighted.values()))


def column_of(type_: str, term: Term) -> tuple[str, str] | None:
    """Return the column a term belongs to and its value there, None for what nobody could learn from."""
    param, text = term.param, term.text
    if term.reference or text == "a":
        return None
    form, value = text[0], text[1:]
    if form == "p":
        return f"{type_}.{param}, first {len(value)}", value
    if form == "g":
        return f"{type_} letters", value
    if form == "d":
        unit = "quarter" if "quarter" in value else "only" if "only" in value else f"{len(value)}"
        # What the attacker is after is the year.
        return f"{type_}.{param} year by {unit}", value.removeprefix("only ")[:4]
    return f"{type_}.{param} {form}", value


# What somebody might want to know of a row, whether or not it has keys: (type, column) -> its value.
def facts(resource: Json) -> Iterator[tuple[str, str]]:
    """Yield the sensitive columns of a row with their values."""
    type_ = resource["resourceType"]
    if type_ == "Condition":
        yield "Condition.clinical-status c", resource["clinicalStatus"]["coding"][0]["code"]
        return
    (address,) = resource["address"]
    yield "Patient.gender c", resource["gender"]
    yield "Patient.active c", str(resource["active"]).lower()
    yield "Patient.deceased c", str(resource.get("deceasedBoolean", False)).lower()
    yield "Patient.language c", resource["communication"][0]["language"]["coding"][0]["code"]
    yield "Patient marital status (word)", resource["maritalStatus"]["coding"][0]["code"]
    yield "Patient.address-postalcode", address["postalCode"]
    yield "Patient.address-state", address["state"]


def attacked(rows: Iterable[Json], blind: BlindIndex, definitions: Definitions) -> list[Column]:
    """Return what the attack recovers of each column of `rows` indexed by `blind`."""
    truths: dict[str, Counter[tuple[int, str]]] = defaultdict(Counter)
    known: dict[str, Counter[str]] = defaultdict(Counter)
    numbers: Counter[str] = Counter()
    for body in rows:
        type_ = body["resourceType"]
        numbers[type_] += 1
        for name, value in facts(body):
            known[name][value] += 1
        for term in resource_terms(type_, extract(body, definitions)):
            column = column_of(type_, term)
            if column is None:
                continue
            name, value = column
            truths[name][indexed_key(blind, type_, term, body["id"]), value] += 1
    found = [
        _matched(name, truth, numbers[name.partition(".")[0]]) for name, truth in truths.items()
    ]
    found += [_unkeyed(name, values) for name, values in known.items() if name not in truths]
    return sorted(found, key=lambda one: -one.points)


def _unkeyed(name: str, values: Counter[str]) -> Column:
    base = 100 * max(values.values()) / values.total()
    return Column(name, len(values), 0, base, base)


def _matched(name: str, truth: Mapping[tuple[int, str], int], rows: int) -> Column:
    """Match keys to values by rank and count in how many rows that is right, of `rows` or, where one has several
    values, of all values.
    """
    by_key: Counter[int] = Counter()
    by_value: Counter[str] = Counter()
    units: dict[str, set[int]] = defaultdict(set)
    for (key, value), count in truth.items():
        by_key[key] += count
        by_value[value] += count
        units[value].add(key)
    # A value on several keys: the attacker knows on how many, and takes them for equally frequent.
    expected = sorted(
        (
            (by_value[value] / len(keys), value)
            for value, keys in units.items()
            for _ in range(len(keys))
        ),
        reverse=True,
    )
    guess = {
        key: value for (key, _), (_, value) in zip(by_key.most_common(), expected, strict=False)
    }
    right = sum(count for (key, value), count in truth.items() if guess.get(key) == value)
    whole = max(by_value.total(), rows)
    return Column(
        name,
        len(by_value),
        len(by_key),
        100 * max(by_value.values()) / whole,
        100 * right / whole,
    )


def table(columns: Sequence[Column]) -> str:
    """Return the figures as lines of text."""
    lines = [f"{'column':44} {'values':>7} {'keys':>7} {'base %':>7} {'found %':>8} {'points':>7}"]
    lines += [
        f"{one.name:44} {one.values:7} {one.keys:7} {one.base:7.2f} {one.recovered:8.2f} {one.points:7.2f}"
        for one in columns
    ]
    return "\n".join(lines)


def measured_spread(rows: Iterable[Json], definitions: Definitions) -> dict[str, int]:
    """Return what re-keying would spread after it has counted `rows`."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    numbers: Counter[str] = Counter()
    for body in rows:
        type_ = body["resourceType"]
        numbers[type_] += 1
        for term in resource_terms(type_, extract(body, definitions)):
            place = coarse.place(type_, term)
            if place is not None:
                counts[type_][place] += 1
    return {
        name: several
        for type_, of in counts.items()
        for name, several in coarse.spread_of(of, numbers[type_]).items()
    }


def people(patients: int, seed: int = 1) -> Iterator[Json]:
    """Yield as many patients, each with a diagnosis."""
    population = Population(seed)
    for number in range(patients):
        yield population.patient(number)
        yield population.condition(number)


def attack(patients: int, *, measured: bool, plain: bool = False, seed: int = 1) -> list[Column]:
    """Return the figures over so many patients; `measured` after a re-keying, `plain` without any spreading."""
    definitions = load()
    spread = None if plain else coarse.shipped()
    if measured:
        spread = measured_spread(people(patients, seed), definitions)
    blind = BlindIndex(_KEY, 1, spread=spread)
    return attacked(people(patients, seed), blind, definitions)


def main() -> None:
    """Print the figures; exit code 1 where more is recovered than allowed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--patients", type=int, default=100_000)
    parser.add_argument("--index", choices=("shipped", "measured", "plain"), default="shipped")
    arguments = parser.parse_args()
    columns = attack(
        arguments.patients,
        measured=arguments.index == "measured",
        plain=arguments.index == "plain",
    )
    print(table(columns))
    raise SystemExit(any(one.points > ALLOWED_POINTS for one in columns))


if __name__ == "__main__":
    main()
