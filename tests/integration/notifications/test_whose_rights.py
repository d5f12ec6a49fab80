"""Whose rights a Subscription has: those of who had it made, not of who once set something right in it."""

import pytest

from fhirserver.auth.kept_scopes import SCOPES
from fhirserver.kernel.principal import Principal
from fhirserver.kernel.resource import Json
from subscriptions.core.client_subscription import OWNER, owner_of
from tests.integration.notifications.conftest import Ward, subscription
from tests.integration.rest.conftest import JSON


async def kept(ward: Ward, id_: str) -> Json:
    async with ward.record.transaction(ward.tenant) as tx:
        found = await tx.get("Subscription", id_)
    assert found is not None
    return found


def told_of(resource: Json) -> list[tuple[str, str]]:
    return sorted(
        (one["url"], one["valueString"])
        for one in resource.get("extension", ())
        if one["url"] in (OWNER, SCOPES)
    )


@pytest.mark.parametrize("how", ["put", "patch", "meta"])
async def test_an_administrator_who_helps_lends_nobody_their_rights(ward: Ward, how: str) -> None:
    id_ = await ward.subscribe(subscription())
    scopes = {"url": SCOPES, "valueString": "- user/Flag.rs client:app account:a"}
    before = await kept(ward, id_)
    async with ward.record.transaction(ward.tenant) as tx:
        before = {**before, "extension": [*before["extension"], scopes]}
        await tx.put(before, id_=id_)
    before = await kept(ward, id_)

    if how == "put":
        answer = await ward.admin.put(f"Subscription/{id_}", json={**before, "reason": "as agreed"})
    elif how == "patch":
        answer = await ward.admin.patch(
            f"Subscription/{id_}",
            json=[{"op": "replace", "path": "/status", "value": "requested"}],
            headers={"content-type": "application/json-patch+json"},
        )
    else:
        tag = {"name": "meta", "valueMeta": {"tag": [{"system": "urn:x", "code": "seen"}]}}
        answer = await ward.admin.post(
            f"Subscription/{id_}/$meta-add",
            json={"resourceType": "Parameters", "parameter": [tag]},
            headers={"content-type": JSON},
        )
    assert answer.is_success, answer.text

    after = await kept(ward, id_)
    assert after["meta"]["versionId"] != before["meta"]["versionId"]
    assert told_of(after) == told_of(before)
    assert owner_of(after, ward.tenant) == Principal(
        ward.tenant, "practitioner", "Practitioner/nina"
    )


async def test_who_has_it_sent_to_another_place_is_who_it_is_sent_for(ward: Ward) -> None:
    id_ = await ward.subscribe(subscription())
    before = await kept(ward, id_)
    channel = {**before["channel"], "endpoint": "https://elsewhere.example.org/hook"}

    answer = await ward.admin.put(f"Subscription/{id_}", json={**before, "channel": channel})

    assert answer.is_success, answer.text
    assert owner_of(await kept(ward, id_), ward.tenant) == Principal(ward.tenant, "admin", "")


async def test_the_owner_keeps_it_under_the_scopes_of_now(ward: Ward) -> None:
    id_ = await ward.subscribe(subscription())
    before = await kept(ward, id_)
    forged = [*before["extension"], {"url": SCOPES, "valueString": "- user/*.cruds"}]

    answer = await ward.nurse.put(f"Subscription/{id_}", json={**before, "extension": forged})

    assert answer.is_success, answer.text
    assert told_of(await kept(ward, id_)) == [(OWNER, "practitioner Practitioner/nina")]
