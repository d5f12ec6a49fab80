"""What survives workers that die, companies that fail, and numbers that change."""

from dataclasses import replace
from datetime import timedelta

import pytest

from fhirserver.kernel.ports import Transaction
from subscriptions.channels.sendings import Sendings
from subscriptions.core.delivery import Handed, Looked, Send, step
from subscriptions.core.managed_subscription import subscription_id
from subscriptions.core.timing import LEASE
from subscriptions.store import cursor_rows
from subscriptions.store.cursor_rows import Claim, Lease, Saved
from tests.integration.response.conftest import BOB, EVE, Place, person, team

BOBS = subscription_id("RelatedPerson/bob")


async def begin_and_die(place: Place, *, send: bool) -> None:
    """A worker takes Bob's page, perhaps sends it, and is killed before it can say so."""
    channel = place.managed["sms"]
    async with place.record.work(place.tenant) as tx:
        claim = await lease(place, tx)
        shipment = await channel.prepare(tx, claim)
    assert isinstance(shipment, Sendings)
    if send:
        await channel.send(shipment)


async def lease(place: Place, tx: Transaction) -> Claim:
    """Lease Bob's Subscription as a worker does."""
    claim = (await cursor_rows.locked(tx, [BOBS], skip_busy=True))[BOBS]
    cursor, commands = step(claim.cursor, Looked(), tx.now)
    assert any(isinstance(one, Send) for one in commands)
    cursor_rows.save_later(tx, [Saved(claim, cursor)])
    return replace(claim, cursor=cursor)


async def ring_without_delivery(place: Place) -> None:
    async with place.record.transaction(place.tenant) as tx:
        await place.evaluation.device_events(tx, [place._event("198260", "ann", end=False)])
    await place.worker.sequencer.run_due()


async def test_a_page_that_was_never_sent_is_sent_by_the_next_worker(place: Place) -> None:
    await ring_without_delivery(place)
    await begin_and_die(place, send=False)
    await place.work()
    assert place.pages() == []  # the lease still holds
    await place.after(6)
    assert [s.medium for s in place.pages(BOB)] == ["sms", "voice"]


async def test_a_page_that_was_sent_is_found_and_not_sent_twice(place: Place) -> None:
    await ring_without_delivery(place)
    await begin_and_die(place, send=True)
    await place.after(6)
    assert [s.medium for s in place.pages(BOB)] == ["sms", "voice"]
    rows = await place.query("SELECT outcome FROM attempt WHERE task IS NOT NULL")
    assert rows == [("handed-over",), ("handed-over",)]


async def test_a_critical_page_is_sent_twice_rather_than_never(place: Place) -> None:
    await ring_without_delivery(place)
    await begin_and_die(place, send=True)
    place.company.cannot_look_up = True
    await place.after(6)
    assert len(place.pages(BOB, "sms")) == 2


async def test_a_company_that_errs_after_accepting_is_asked_before_sending_again(
    place: Place,
) -> None:
    place.company.down_after_accepting = True
    await place.alarm()
    place.company.down_after_accepting = False
    await place.after(5)
    assert [s.medium for s in place.pages(BOB)] == ["sms", "voice"]


async def test_an_outage_of_the_company_rings_on_and_ends_no_subscription(place: Place) -> None:
    place.company.down = True
    await place.alarm()
    await place.after(25)
    skipped = [t for t in await place.all("Task") if t.get("statusReason")]
    assert [t["statusReason"]["text"] for t in skipped][:1] == ["provider-unavailable"]
    assert await place.status("RelatedPerson/bob") == "active"
    place.company.down = False
    await place.after(6)
    assert {s.to for s in place.pages()} >= {BOB, EVE}
    texts = [s.text for s in place.pages(BOB, "sms")]
    assert len(texts) == len(set(texts)) == 1


async def test_whoever_lost_the_lease_moves_no_cursor(place: Place) -> None:
    await ring_without_delivery(place)
    async with place.record.work(place.tenant) as tx:
        old = await lease(place, tx)
    place.now += timedelta(seconds=6)
    async with place.record.work(place.tenant) as tx:
        new = await lease(place, tx)
    assert new.cursor.epoch == old.cursor.epoch + 1
    late = Handed(old.cursor.epoch, "event-notification", old.cursor.revision, 99)
    assert step(new.cursor, late, place.now) == (new.cursor, ())
    async with place.record.work(place.tenant) as tx:
        assert not await cursor_rows.renew(tx, [Lease(BOBS, old.cursor.epoch)], LEASE)
        assert await cursor_rows.renew(tx, [Lease(BOBS, new.cursor.epoch)], LEASE) == {BOBS}


async def test_two_workers_never_hold_one_subscription(place: Place) -> None:
    await ring_without_delivery(place)
    async with place.record.work(place.tenant) as tx:
        first = await lease(place, tx)
        async with place.record.work(place.tenant) as other:
            assert await cursor_rows.locked(other, [BOBS], skip_busy=True) == {}
    async with place.record.work(place.tenant) as tx:
        claim = (await cursor_rows.locked(tx, [BOBS], skip_busy=True))[BOBS]
    assert claim.cursor == first.cursor
    assert step(claim.cursor, Looked(), place.now) == (claim.cursor, ())


async def test_a_timer_whose_worker_dies_is_still_there(place: Place) -> None:
    await place.alarm()
    before = await place.query("SELECT kind, due_at FROM timer ORDER BY kind")
    place.now += timedelta(seconds=31)
    with pytest.raises(ZeroDivisionError):  # noqa: PT012 - the transaction is what ends
        async with place.record.work(place.tenant) as tx:
            ((patient, incident),) = await tx.execute(
                "SELECT patient, incident FROM ladder WHERE tenant = %s", (place.tenant,)
            )
            assert await place.response.timers_due(tx, patient, incident) == 2
            _ = 1 / 0  # killed before the commit
    assert await place.query("SELECT kind, due_at FROM timer ORDER BY kind") == before
    await place.work()
    assert place.pages(EVE, "sms")[0].at == place.now


async def test_numbers_have_no_gaps_and_follow_the_order_of_writing(place: Place) -> None:
    await place.alarm()
    await place.after(125)
    rows = await place.query(
        "SELECT subscription, array_agg(number ORDER BY appended) FROM event GROUP BY subscription"
    )
    assert len(rows) == 3
    for _, numbers in rows:
        assert numbers == list(range(1, len(numbers) + 1))


async def test_a_number_is_proven_by_its_own_telephone_only(bare: Place) -> None:
    await bare.put(person("RelatedPerson", "bob", BOB))
    await bare.put(team(("RelatedPerson/bob", 1)))
    asked = bare.company.sent[-1]
    assert asked.text.startswith(f"Reply {asked.code} to get alerts")
    assert await bare.status("RelatedPerson/bob") == "requested"
    assert await bare.writes(EVE, asked.code) == ""
    assert await bare.status("RelatedPerson/bob") == "requested"
    await bare.writes(BOB, asked.code.lower())
    assert await bare.status("RelatedPerson/bob") == "active"


async def test_start_from_an_unproven_number_asks_for_the_proof_again(bare: Place) -> None:
    await bare.put(person("RelatedPerson", "bob", BOB))
    await bare.put(team(("RelatedPerson/bob", 1)))
    await bare.writes(BOB, "STOP")
    assert await bare.status("RelatedPerson/bob") == "off"
    asked = len(bare.company.sent)
    assert await bare.writes(BOB, "START") == ""
    assert await bare.status("RelatedPerson/bob") == "requested"
    assert len(bare.company.sent) == asked + 1
    await bare.verify(BOB)
    assert await bare.status("RelatedPerson/bob") == "active"


async def test_an_unproven_number_is_not_called(bare: Place) -> None:
    await bare.put(person("RelatedPerson", "bob", BOB), person("RelatedPerson", "eve", EVE))
    await bare.put(team(("RelatedPerson/bob", 1), ("RelatedPerson/eve", 2)))
    await bare.verify(EVE)
    await bare.alarm()
    assert bare.pages(BOB) == []
    assert bare.pages(EVE, "sms")[0].at == bare.now


async def test_a_new_number_must_be_proven_anew(place: Place) -> None:
    new = "+15550000099"
    await place.put(person("RelatedPerson", "bob", new))
    assert await place.status("RelatedPerson/bob") == "requested"
    await place.alarm()
    assert place.pages(BOB) == []
    assert place.pages(EVE, "sms") != []
    await place.verify(new)
    assert await place.status("RelatedPerson/bob") == "active"


async def test_somebody_proven_in_the_middle_of_an_alarm_is_told(place: Place) -> None:
    new = "+15550000099"
    await place.put(person("RelatedPerson", "bob", new))
    await place.alarm()
    await place.after(5)
    await place.verify(new)
    assert place.pages(new, "sms")[0].at == place.now


async def test_a_member_removed_in_the_middle_of_an_alarm_is_told_no_more(place: Place) -> None:
    await place.alarm()
    code = place.pages(BOB, "sms")[0].code
    await place.put(team(("RelatedPerson/eve", 2), ("Practitioner/nina", 2)))
    assert place.pages(EVE, "sms")[0].at == place.now
    assert "no longer open" in await place.writes(BOB, f"{code}h")
    before = len(place.pages(BOB))
    await place.after(100)
    assert len(place.pages(BOB)) == before
    child = (await place.all("Task"))[1]
    assert child["status"] == "cancelled"


async def test_no_number_means_skipped_and_no_subscription(place: Place) -> None:
    await place.put(person("RelatedPerson", "bob", None))
    async with place.record.transaction(place.tenant) as tx:
        assert await tx.get("Subscription", BOBS) is None
    await place.alarm()
    assert place.pages(EVE, "sms")[0].at == place.now


async def test_spanish_is_spoken_to_whoever_prefers_it(bare: Place) -> None:
    await bare.put(person("RelatedPerson", "bob", BOB, "es-MX"))
    await bare.put(team(("RelatedPerson/bob", 1)))
    asked = bare.company.sent[-1]
    assert "para recibir alertas" in asked.text
    assert (await bare.writes(BOB, asked.code)).startswith("Gracias")
    await bare.alarm()
    assert bare.pages(BOB, "sms")[0].text.startswith("ALERTA ")
    assert "es-US" in bare.pages(BOB, "voice")[0].text


async def test_each_of_two_people_on_one_telephone_is_answered_in_their_language(
    bare: Place,
) -> None:
    await bare.put(person("RelatedPerson", "bob", BOB), person("RelatedPerson", "eva", BOB, "es"))
    await bare.put(team(("RelatedPerson/bob", 1), ("RelatedPerson/eva", 1)))
    asked = {("para" in s.text): s.code for s in bare.company.sent}
    assert (await bare.writes(BOB, asked[True])).startswith("Gracias")
    assert (await bare.writes(BOB, asked[False])).startswith("Thank you")
    await bare.alarm()
    codes = {s.text.split()[0]: s.code for s in bare.pages(BOB, "sms")}
    assert (await bare.writes(BOB, f"{codes['ALERTA']}y")).startswith("Gracias")
    assert (await bare.writes(BOB, f"{codes['ALERT']}y")).startswith("Thank you")


async def test_a_telephone_shared_with_the_patient_cannot_end_a_danger(bare: Place) -> None:
    await bare.put(
        {
            "resourceType": "Patient",
            "id": "ann",
            "telecom": [{"system": "phone", "value": BOB}],
        },
        person("RelatedPerson", "bob", BOB),
    )
    await bare.put(team(("RelatedPerson/bob", 1)))
    await bare.verify(BOB)
    await bare.alarm()
    code = bare.pages(BOB, "sms")[0].code
    assert "Somebody else" in await bare.writes(BOB, f"{code}h")
    assert (await bare.query("SELECT response FROM alert"))[0] == ("acknowledged",)


async def test_help_and_nonsense_change_nothing(place: Place) -> None:
    await place.alarm()
    assert "Reply the code" in await place.writes(BOB, "help")
    assert "did not understand" in await place.writes(BOB, "what?")
    assert (await place.query("SELECT response FROM alert"))[0] == ("notifying",)


async def test_codes_texts_and_numbers_are_not_readable_in_the_tables(place: Place) -> None:
    await place.alarm()
    message = place.pages(BOB, "sms")[0]
    tables = (
        "ladder",
        "timer",
        "contact",
        "subscription_cursor",
        "subscription_match",
        "event",
        "attempt",
        "reply_code",
        "inbound_message",
    )
    for table in tables:
        for (row,) in await place.query(f"SELECT {table}::text FROM {table}"):
            assert BOB not in row
            assert BOB.lstrip("+").encode().hex() not in row
            assert f'"{message.code}"' not in row
            assert message.text[:20].encode().hex() not in row


async def test_another_tenant_sees_nothing_of_it(place: Place) -> None:
    await place.alarm()
    other = await place.record.ensure_tenant("elsewhere")
    async with place.record.transaction(other) as tx:
        for table in ("ladder", "timer", "event", "attempt", "reply_code", "contact"):
            assert await tx.execute(f"SELECT 1 FROM {table}") == []


async def test_old_codes_and_messages_are_forgotten(place: Place) -> None:
    await place.alarm()
    await place.writes(BOB, "help")
    place.now += timedelta(days=8)
    await place.worker.retention.run_due()
    for table in ("event", "reply_code", "inbound_message"):
        assert await place.query(f"SELECT 1 FROM {table}") == [], table
