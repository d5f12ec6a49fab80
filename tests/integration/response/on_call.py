"""People on call, and findings, as the tests of the ladder write them."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

from fhirserver.kernel import canonical
from fhirserver.kernel.principal import Principal
from fhirserver.kernel.readings import Reading
from fhirserver.kernel.resource import Json
from subscriptions.core.findings import Finding
from subscriptions.evaluation import alerts
from tests.integration.response.conftest import Place, person

OLGA = "+15550000005"


BOB_AS_CLIENT = Principal(1, "related-person", "RelatedPerson/bob")


def on_call(*members: str, extension: list[Json] | None = None, **more: Any) -> Json:
    category = {"coding": [{"system": canonical.CARE_TEAM_CATEGORIES, "code": "on-call"}]}
    found: Json = {
        "resourceType": "CareTeam",
        "id": "duty",
        "status": "active",
        "category": [category],
        **more,
    }
    if members:
        found["participant"] = [{"member": {"reference": member}} for member in members]
    if extension is not None:
        found["extension"] = extension
    return found


def rotation(*members: str, handover: str = "19:00:00", start: str = "2026-07-31") -> Json:
    half_a_day = {"value": 12, "system": canonical.UCUM, "code": "h"}
    return {
        "url": canonical.ON_CALL_SCHEDULE,
        "extension": [
            {
                "url": "rotation",
                "extension": [
                    {"url": "start", "valueDate": start},
                    {"url": "handover", "valueTime": handover},
                    {"url": "zone", "valueCode": "UTC"},
                    {"url": "length", "valueDuration": half_a_day},
                    *({"url": "member", "valueReference": {"reference": m}} for m in members),
                ],
            }
        ],
    }


def entry(member: str, tier: int, *extensions: Json) -> Json:
    own = {"url": canonical.ESCALATION_TIER, "valuePositiveInt": tier}
    return {"member": {"reference": member}, "extension": [own, *extensions]}


def a_finding(place: Place, code: str, **more: Any) -> Finding:
    """Something of medium priority about Ann that needs nobody at her side."""
    plain = Finding(
        what="breached", key=f"test:{code}", patient="ann", device="m-ann",
        system=canonical.ALERT_CODES, code=code, display="a test", kind="technical",
        family="other", priority="PM", at=place.now, age=0.0, bound=True, live=True,
        damped=True, rule=None, rule_version=None, evidence=None, simulated=False,
    )  # fmt: skip
    return replace(plain, **more)


async def finds(place: Place, *findings: Finding) -> None:
    async with place.record.transaction(place.tenant) as tx:
        await alerts.apply(tx, place.response, findings)
    await place.work()


async def measure(place: Place, systolic: str) -> None:
    """Ann's cuff takes a blood pressure."""
    taken = Reading(
        patient="ann", device="cuff", code="150021", value=Decimal(systolic), unit="mm[Hg]",
        effective=place.now, received=place.now, age=0.0, observation="o", mode="TX", bound=True,
        simulated=False,
    )  # fmt: skip
    async with place.record.transaction(place.tenant) as tx:
        await place.evaluation.readings(tx, [taken])
    await place.work()


async def operator_reasons(place: Place) -> list[str]:
    tasks = await place.all("Task")
    return [t["reasonCode"]["coding"][0]["code"] for t in tasks if "reasonCode" in t]


async def with_olga(place: Place) -> None:
    await place.put(person("Practitioner", "olga", OLGA))
