"""Random trees of criteria over the clinic: SQL and matcher find the same, for administrators and for others."""

import random

import pytest

from fhirserver.auth import visible
from fhirserver.kernel.principal import Access
from fhirserver.kernel.resource import Json
from fhirserver.search.match import matches
from fhirserver.store.record import Record
from fhirserver.wire import fhir_json
from tests.integration.search.conftest import DEFINITIONS, Known, asked, ids, stored
from tests.integration.store.conftest import caller

# Conditions as `_filter` writes them, by type.
CONDITIONS: dict[str, tuple[str, ...]] = {
    "Patient": (
        "gender eq female",
        "gender ne male",
        'family sw "berg"',
        'name co "erg"',
        'family eq "berger"',
        "birthdate ge 1961-05",
        "birthdate lt 1990-03-01",
        "organization pr true",
        'organization.name co "clinic"',
        "general-practitioner eq Practitioner/doc",
        "_id eq ann",
        "active eq true",
    ),
    "Observation": (
        "code eq http://loinc.org|8867-4",
        "patient eq Patient/ann",
        "date ge 2026-01-11",
        "date lt 2026-01-10T10:00:00Z",
        "value-quantity gt 90",
        "component-value-quantity le 95",
        "value-quantity ge 1|http://unitsofmeasure.org|g/L",
        'patient.name co "berg"',
        "patient.gender eq female",
        "performer pr false",
        "encounter.class eq AMB",
        "value-concept pr true",
    ),
    "Task": (
        "status eq requested",
        "patient eq Patient/bea",
        'owner:Practitioner.family sw "quin"',
        "part-of pr true",
        "focus pr true",
    ),
}
SEARCHES = 120


def tree(chance: random.Random, type_: str, depth: int) -> str:
    if depth == 0 or chance.random() < 0.3:
        one = chance.choice(CONDITIONS[type_])
    else:
        word = chance.choice(("and", "or"))
        one = f"({tree(chance, type_, depth - 1)} {word} {tree(chance, type_, depth - 1)})"
    return f"not ({one})" if chance.random() < 0.25 else one


def _readable(access: Access, resource: Json) -> bool:
    return visible(access, resource["resourceType"], fhir_json.write(resource))


async def test_random_trees(clinic: Record, admin: Access, subtests: pytest.Subtests) -> None:
    everything = await stored(clinic, admin)
    found = 0
    for number in range(SEARCHES):
        chance = random.Random(number)
        type_ = chance.choice(sorted(CONDITIONS))
        text = "_filter=" + tree(chance, type_, 3)
        access = chance.choice((admin, caller("ann"), caller("bea", "dan")))
        with subtests.test(number=number, type=type_, search=text, patients=access.patients):
            seen = [one for one in everything if _readable(access, one)]
            query = asked(type_, text)
            known = Known.of(seen)
            wanted = {one["id"] for one in seen if matches(one, query, DEFINITIONS, known)}
            assert await ids(clinic, access, type_, text) == wanted
            found += bool(wanted)
    assert found > SEARCHES // 4
