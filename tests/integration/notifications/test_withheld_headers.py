"""What a receiver is to be shown with a notification is not shown to those who read the Subscription."""

import pytest

from fhirserver.kernel.resource import Json
from subscriptions.core.withheld_headers import with_values
from subscriptions.response.channel_secrets import secrets_of
from tests.integration.notifications.conftest import Ward, subscription

VALUE = "Bearer kept-from-everybody-7719"
LINES = [f"Authorization: {VALUE}", "X-Tenant: north"]


async def made(ward: Ward) -> str:
    wanted = subscription()
    return await ward.subscribe({**wanted, "channel": {**wanted["channel"], "header": LINES}})


async def sent(ward: Ward, id_: str) -> list[str]:
    """Return the header lines that a notification would have."""
    async with ward.record.transaction(ward.tenant) as tx:
        stored = await tx.get("Subscription", id_)
        assert stored is not None
        kept = await secrets_of(tx, {id_: stored})
        return list(with_values(stored["channel"]["header"], kept[id_].headers))


async def read(ward: Ward, id_: str) -> Json:
    answer = await ward.nurse.get(f"Subscription/{id_}")
    assert answer.status_code == 200
    found: Json = answer.json()
    return found


async def test_no_answer_gives_the_value_back(ward: Ward) -> None:
    id_ = await made(ward)
    assert await sent(ward, id_) == LINES
    for client in (ward.nurse, ward.admin):
        for path in (
            f"Subscription/{id_}",
            f"Subscription/{id_}/_history",
            f"Subscription/{id_}/_history/1",
            f"Subscription?_id={id_}",
            "Subscription/_history",
            f"Subscription/{id_}/$status",
        ):
            answer = await client.get(path)
            assert answer.status_code == 200, (path, answer.text)
            assert "7719" not in answer.text, path
    wanted = subscription()
    answer = await ward.nurse.post(
        "Subscription",
        json={**wanted, "channel": {**wanted["channel"], "header": LINES}},
        headers={"prefer": "return=representation"},
    )
    assert answer.status_code == 201
    assert "7719" not in answer.text
    shown = answer.json()["channel"]["header"]
    assert [line.partition(":")[0] for line in shown] == ["Authorization", "X-Tenant"]


@pytest.mark.parametrize("how", ["put", "patch"])
async def test_writing_back_what_was_read_keeps_the_value(ward: Ward, how: str) -> None:
    id_ = await made(ward)
    if how == "put":
        again = {**await read(ward, id_), "reason": "written back"}
        answer = await ward.nurse.put(f"Subscription/{id_}", json=again)
    else:
        answer = await ward.nurse.patch(
            f"Subscription/{id_}",
            json=[{"op": "replace", "path": "/reason", "value": "patched"}],
            headers={"content-type": "application/json-patch+json"},
        )
    assert answer.is_success, answer.text
    assert await sent(ward, id_) == LINES


async def test_one_value_is_replaced_and_the_other_stays(ward: Ward) -> None:
    id_ = await made(ward)
    before = await read(ward, id_)
    lines = ["Authorization: Bearer another", before["channel"]["header"][1]]
    after = {**before, "channel": {**before["channel"], "header": lines}}
    assert (await ward.nurse.put(f"Subscription/{id_}", json=after)).is_success
    assert await sent(ward, id_) == ["Authorization: Bearer another", "X-Tenant: north"]


async def test_a_value_is_sent_to_no_other_endpoint(ward: Ward) -> None:
    id_ = await made(ward)
    before = await read(ward, id_)
    elsewhere = {**before["channel"], "endpoint": "https://elsewhere.example.org/hook"}
    refused = await ward.admin.put(f"Subscription/{id_}", json={**before, "channel": elsewhere})
    assert refused.status_code == 422
    assert refused.json()["issue"][0]["expression"] == ["Subscription.channel.header"]
    assert await sent(ward, id_) == LINES

    given_again = {**before, "channel": {**elsewhere, "header": ["Authorization: Bearer mine"]}}
    assert (await ward.admin.put(f"Subscription/{id_}", json=given_again)).is_success
    assert await sent(ward, id_) == ["Authorization: Bearer mine"]


async def test_the_name_of_a_value_of_another_subscription_is_refused(ward: Ward) -> None:
    lines = (await read(ward, await made(ward)))["channel"]["header"]
    wanted = subscription()
    answer = await ward.nurse.post(
        "Subscription", json={**wanted, "channel": {**wanted["channel"], "header": lines}}
    )
    assert answer.status_code == 422


async def test_without_header_lines_nothing_is_kept(ward: Ward) -> None:
    id_ = await made(ward)
    before = await read(ward, id_)
    bare = {name: value for name, value in before["channel"].items() if name != "header"}
    assert (
        await ward.nurse.put(f"Subscription/{id_}", json={**before, "channel": bare})
    ).is_success
    rows = await ward.execute(
        "SELECT secret FROM subscription_cursor WHERE subscription = %s", (id_,)
    )
    assert rows == [(None,)]
