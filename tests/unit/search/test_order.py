"""What resources are sorted by when no column can say."""

from decimal import Decimal

import pytest

from fhirserver.definitions import load
from fhirserver.kernel.resource import Json
from fhirserver.search.order import sort_value
from fhirserver.search.period import parse_span
from fhirserver.search.query import SortKey

ANN: Json = {
    "resourceType": "Patient",
    "id": "ann",
    "meta": {"lastUpdated": "2026-05-17T10:00:00.500Z"},
    "name": [{"family": "Ödman", "given": ["Zoe", "Ann"]}],
    "gender": "female",
    "birthDate": "1980-05",
    "generalPractitioner": [{"reference": "Practitioner/p"}],
}
RISK: Json = {
    "resourceType": "RiskAssessment",
    "prediction": [{"probabilityDecimal": Decimal("0.5")}, {"probabilityDecimal": Decimal("0.2")}],
}
MONTH = parse_span("1980-05")


@pytest.mark.parametrize(
    ("resource", "param", "descending", "expected"),
    [
        (ANN, "name", False, "ann"),
        (ANN, "name", True, "zoe"),
        (ANN, "gender", False, "female"),
        (ANN, "general-practitioner", False, "Practitioner/p"),
        (ANN, "birthdate", False, Decimal(MONTH.lo)),
        (ANN, "birthdate", True, Decimal(MONTH.hi)),
        (ANN, "_id", False, "ann"),
        (ANN, "_lastUpdated", False, Decimal(parse_span("2026-05-17T10:00:00.500Z").lo)),
        (ANN, "death-date", False, None),
        (RISK, "probability", False, Decimal("0.2")),
        (RISK, "probability", True, Decimal("0.5")),
        (RISK, "_lastUpdated", False, None),
    ],
)
def test_the_first_value_in_the_order_counts(
    resource: Json, param: str, descending: bool, expected: str | Decimal | None
) -> None:
    assert sort_value(resource, SortKey("text", descending, param), load()) == expected
