"""People on dialysis that nobody is: drawn from distributions as uneven as those of the USA, the same for a seed.

Names are drawn from the tables of the 1990 census of the USA (public domain, `census_names.json`: the most frequent
ones); the other distributions are made up to be as uneven as those of people on dialysis in the USA.
"""

import json
import random
from collections.abc import Mapping
from datetime import date, timedelta
from itertools import accumulate
from pathlib import Path
from typing import Any, Final

Json = dict[str, Any]

_HERE: Final = Path(__file__).parent
_LANGUAGES: Final = {"en": 780, "es": 130, "zh": 12, "tl": 8, "vi": 6, "fr": 5, "ar": 4, "ko": 4, "de": 3, "ru": 3}  # fmt: skip
_MARITAL: Final = {"M": 480, "S": 230, "W": 140, "D": 120, "L": 30}
_GENDERS: Final = {"male": 570, "female": 424, "other": 4, "unknown": 2}
_DIAGNOSES: Final = {
    "N18.6": 400, "I12.0": 150, "E11.22": 120, "D63.1": 90, "N25.81": 70, "I50.9": 50, "Z99.2": 40, "E78.5": 30,
    "I25.10": 20, "F32.9": 12, "B18.2": 8, "B20": 4, "C64.9": 3, "F20.9": 3,
}  # fmt: skip
_CITIES: Final = 400
# Readings of treatments at home, with what people measure themselves and the laboratory adds: (code, category) -> how
# many of a thousand, what they say on average and how far they stray [P].
_READINGS: Final = {
    "8867-4 vital-signs": (240, 75, 12), "85354-9 vital-signs": (200, 135, 18), "150020 procedure": (130, -180, 25),
    "150021 procedure": (130, 140, 25), "159028 procedure": (90, 9, 2), "29463-7 vital-signs": (60, 78, 18),
    "2708-6 vital-signs": (50, 97, 1.5), "8310-5 vital-signs": (40, 36.6, 0.4), "2823-3 laboratory": (20, 4.8, 0.6),
    "718-7 laboratory": (15, 11, 1.2), "2160-0 laboratory": (10, 8, 2), "2777-1 laboratory": (8, 1.7, 0.4),
    "55758-7 survey": (7, 45, 10),
}  # fmt: skip
# Its numbers are components, whose rows name another parameter.
PANEL: Final = "85354-9"


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
            "reading": _table({name: often for name, (often, _, _) in _READINGS.items()}),
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

    def observation(self, number: int, of: int) -> Json:
        """Return a reading of the patient `of`."""
        reading = self._draw("reading")
        code, category = reading.split(" ")
        _, mean, deviation = _READINGS[reading]
        system = "urn:iso:std:iso:11073:10101" if category == "procedure" else "http://loinc.org"
        kinds = "http://terminology.hl7.org/CodeSystem/observation-category"
        return {
            "resourceType": "Observation",
            "id": f"o{number}",
            "status": "final",
            "code": {"coding": [{"system": system, "code": code}]},
            "category": [{"coding": [{"system": kinds, "code": category}]}],
            "subject": {"reference": f"Patient/p{of}"},
            "valueQuantity": {"value": round(self._random.gauss(mean, deviation), 1)},
        }

    def _draw(self, name: str) -> str:
        values, weights = self._tables.get(name) or self._others[name]
        return self._random.choices(values, cum_weights=weights)[0]


def _table(weighted: Mapping[str, float]) -> tuple[list[str], list[float]]:
    return list(weighted), list(accumulate(weighted.values()))
