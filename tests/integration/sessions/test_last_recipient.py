"""The last person who would hear an alarm is not written away while monitoring is armed."""

import httpx
import pytest

from fhirserver.kernel.canonical import ESCALATION_TIER
from fhirserver.kernel.resource import Json
from subscriptions.core.managed_subscription import subscription_id
from subscriptions.response import messaging_consents
from tests.integration.rest.conftest import put
from tests.integration.sessions.conftest import Home, team


def said_no(answer: httpx.Response) -> bool:
    assert answer.status_code in (200, 201, 204, 422), answer.text
    if answer.status_code != 422:
        return False
    (issue,) = answer.json()["issue"]
    assert "first tier" in issue["diagnostics"]
    return True


def denial(id_: str, *actors: str, status: str = "active", classes: tuple[str, ...] = ()) -> Json:
    provision: Json = {"type": "deny"}
    if classes:
        system = "http://hl7.org/fhir/resource-types"
        provision["class"] = [{"system": system, "code": one} for one in classes]
    if actors:
        code = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
        provision["actor"] = [
            {
                "role": {"coding": [{"system": code, "code": "IRCP"}]},
                "reference": {"reference": one},
            }
            for one in actors
        ]
    scope = "http://terminology.hl7.org/CodeSystem/consentscope"
    policy = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
    return {
        "resourceType": "Consent",
        "id": id_,
        "status": status,
        "scope": {"coding": [{"system": scope, "code": "patient-privacy"}]},
        "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
        "patient": {"reference": "Patient/ann"},
        "policyRule": {"coding": [{"system": policy, "code": "OPTOUT"}]},
        "provision": provision,
    }


BOB, EVE = "RelatedPerson/bob", "RelatedPerson/eve"
WITHOUT_BOB = team((EVE, 2))
DEMOTED = team((BOB, 2), (EVE, 2))
CLOSED = {**team((BOB, 1)), "status": "inactive"}
OVER = {**team((BOB, 1)), "period": {"end": "2020-01-01"}}


@pytest.mark.parametrize("after", [WITHOUT_BOB, DEMOTED, CLOSED, OVER])
async def test_a_team_keeps_a_first_tier_while_armed(home: Home, after: Json) -> None:
    await home.arm()
    assert said_no(await put(home.admin, after))
    assert (await home.armed())["state"] == "armed"
    assert not said_no(await put(home.admin, team((BOB, 2), (EVE, 1))))


async def test_a_team_is_not_deleted_while_armed(home: Home) -> None:
    await home.arm()
    assert said_no(await home.admin.delete("CareTeam/team"))
    assert (await home.armed())["state"] == "armed"


async def test_what_is_not_armed_may_be_taken_apart(home: Home) -> None:
    assert not said_no(await put(home.admin, WITHOUT_BOB))
    assert not said_no(await home.admin.delete("CareTeam/team"))


async def test_the_last_care_partner_does_not_leave_while_armed(home: Home) -> None:
    await home.arm()
    body = {
        "resourceType": "Parameters",
        "parameter": [{"name": "member", "valueString": BOB}],
    }
    assert said_no(await home.partner.post("CareTeam/team/$remove-member", json=body))
    assert said_no(await home.patient.post("CareTeam/team/$remove-member", json=body))


@pytest.mark.parametrize(
    "consent",
    [
        denial("bob", BOB),
        denial("everybody"),
        denial("flags", BOB, classes=("Flag",)),
    ],
)
async def test_a_consent_does_not_silence_the_last_recipient(home: Home, consent: Json) -> None:
    await home.arm()
    assert said_no(await put(home.admin, consent))
    assert (await home.armed())["state"] == "armed"
    assert not said_no(await put(home.admin, {**consent, "status": "inactive"}))


async def test_a_consent_against_somebody_else_or_something_else_is_kept(home: Home) -> None:
    await home.arm()
    assert not said_no(await put(home.admin, denial("eve", EVE)))
    assert not said_no(await put(home.admin, denial("some", BOB, classes=("Condition",))))
    assert (await home.armed())["state"] == "armed"


async def test_a_withdrawn_exception_counts_too(home: Home) -> None:
    """Everybody is denied but Bob; without the exception nobody is left."""
    whole = denial("all-but-bob")
    exception = denial("x", BOB)["provision"] | {"type": "permit"}
    await home.put({**whole, "provision": {**whole["provision"], "provision": [exception]}})
    await home.arm()
    assert said_no(await put(home.admin, whole))


async def test_who_a_consent_denies_is_no_recipient_and_monitoring_cannot_be_armed(
    home: Home,
) -> None:
    assert not said_no(await put(home.admin, denial("bob", BOB)))
    asked = await home.test_page()
    assert (asked["state"], asked["reason"]) == ("unarmed", "nobody-reachable")
    assert not said_no(await put(home.admin, denial("bob", BOB, status="inactive")))
    await home.arm()
    assert (await home.armed())["state"] == "armed"


async def test_the_consent_to_be_called_is_not_withdrawn_unnoticed(home: Home) -> None:
    """Ended by a client instead of by STOP: refused for the last one, and otherwise nobody is called by it."""
    id_ = subscription_id(BOB)
    async with home.record.transaction(home.tenant) as tx:
        await messaging_consents.record(tx, BOB, given=True)
    await home.arm()
    consent = await home.get("Consent", id_)
    assert said_no(await put(home.admin, {**consent, "status": "inactive"}))
    assert said_no(await home.admin.delete(f"Consent/{id_}"))
    assert (await home.get("Subscription", id_))["status"] == "active"
    assert not said_no(await put(home.admin, team((BOB, 1), (EVE, 1))))
    assert not said_no(await put(home.admin, {**consent, "status": "inactive"}))
    assert (await home.get("Subscription", id_))["status"] == "off"
    tasks = await home.search("Task?code=operator")
    assert "contact-stopped" in {one["reasonCode"]["coding"][0]["code"] for one in tasks}


async def test_a_team_on_call_keeps_somebody_on_duty(home: Home) -> None:
    category = "https://w3id.org/fhirserver/CodeSystem/care-team-category"
    roster: Json = {
        "resourceType": "CareTeam",
        "id": "duty",
        "status": "active",
        "category": [{"coding": [{"system": category, "code": "on-call"}]}],
        "participant": [{"member": {"reference": BOB}}],
    }
    own = team((EVE, 2))
    first = {"url": ESCALATION_TIER, "valuePositiveInt": 1}
    own["participant"].append({"member": {"reference": "CareTeam/duty"}, "extension": [first]})
    await home.put(roster, own)
    await home.arm()
    empty = {name: value for name, value in roster.items() if name != "participant"}
    assert said_no(await put(home.admin, empty))
    assert said_no(await home.admin.delete("CareTeam/duty"))
