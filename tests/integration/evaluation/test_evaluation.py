"""Readings, machine alarms and alerts against a real database."""

from decimal import Decimal

import pytest
from psycopg import AsyncConnection
from psycopg.errors import InsufficientPrivilege
from psycopg.sql import SQL, Identifier

from fhirserver.kernel.errors import Forbidden, NotFound
from subscriptions.evaluation import alerts
from tests.conftest import Database
from tests.integration.evaluation.conftest import DEVICE_USE, SYSTOLIC, Home, order


async def test_a_breach_leaves_alert_event_and_flag_in_one_transaction(home: Home) -> None:
    await home.measure(home.reading(SYSTOLIC, 70))
    assert home.listener.causes == ["raised PH 196670"]
    alert = home.listener.told[0][1]
    async with home.record.transaction(1) as tx:
        assert await alerts.load(tx, "ann", alert.id) == alert
        flag = await tx.get("Flag", alert.flag or "")
        why = await alerts.detail(tx, alert)
    assert flag is not None
    assert (flag["status"], flag["subject"]) == ("active", {"reference": "Patient/ann"})
    urls = {extension["url"].rsplit("/", 1)[1]: extension for extension in flag["extension"]}
    assert urls["flag-detail"]["valueReference"] == {"reference": "Observation/o-1"}
    assert urls["rule-version"]["valueString"].endswith("PlanDefinition/default-rules|1.2.0")
    assert why["value"] == "70"
    assert why["limit"] == "80"


async def test_the_window_survives_between_transactions_and_processes(home: Home) -> None:
    await home.measure(home.reading(SYSTOLIC, 88))
    home.pass_time(60)
    await home.measure(home.reading(SYSTOLIC, 87))
    assert home.listener.causes == ["raised PM 196670", "priority-raised PH 196670"]


async def test_a_patient_in_order_who_is_not_treated_leaves_no_state(home: Home) -> None:
    pulses = [home.reading("149546", 70, unit="/min")._replace(mode=None) for _ in range(20)]
    await home.measure(*pulses)
    assert await home.query("SELECT version, state FROM evaluation") == [(0, None)]


async def test_a_missing_second_reading_is_found_by_the_scan(home: Home) -> None:
    await home.measure(home.reading(SYSTOLIC, 88))
    home.pass_time(119)
    assert await home.scan() == 0
    home.pass_time(1)
    assert await home.scan() == 1
    assert home.listener.causes[-1] == "priority-raised PH 196670"
    assert await home.scan() == 0


async def test_an_import_of_old_vitals_makes_no_alert_at_all(home: Home) -> None:
    old = home.reading(SYSTOLIC, 60)._replace(age=86_401.0)
    await home.measure(old, old._replace(value=Decimal(500)))
    assert home.listener.causes == []
    assert await home.query("SELECT count(*) FROM alert") == [(0,)]
    await home.measure(home.reading(SYSTOLIC, 60)._replace(age=86_000.0))
    (alert,) = [told[1] for told in home.listener.told]
    assert alert.delayed
    assert not alert.pages


async def test_a_slipped_needle_is_found_across_transactions(home: Home) -> None:
    for second in range(0, 400, 4):
        await home.measure(
            home.reading("158776", 170 - (25 if second > 360 else 0)),
            home.reading("158740", 400, unit="mL/min"),
        )
        home.pass_time(4)
    assert home.listener.causes == ["raised PH suspected-needle-dislodgement"]
    ((_, sealed),) = await home.query("SELECT version, state FROM evaluation")
    assert sealed is not None
    assert len(sealed) < 2000


async def test_an_observation_over_rest_is_evaluated_and_pages_only_from_a_device_in_use(
    home: Home,
) -> None:
    observation = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "8480-6"}]},
        "subject": {"reference": "Patient/ann"},
        "effectiveDateTime": home.now.isoformat(),
        "valueQuantity": {"value": 70, "unit": "mmHg"},
    }
    async with home.record.transaction(1) as tx:
        stored = await tx.put(observation)
    (_, alert) = home.listener.told[0]
    assert not alert.pages
    await home.put(DEVICE_USE)
    home.pass_time(30)
    bound = {
        **observation,
        "device": {"reference": "Device/m1"},
        "effectiveDateTime": home.now.isoformat(),
    }
    async with home.record.transaction(1) as tx:
        await tx.put(bound)
        flag = await tx.get("Flag", alert.flag or "")
    assert home.listener.causes[-1] == "rang-again PH 196670"
    assert flag is not None
    assert f"Observation/{stored.id}" in str(flag["extension"])


async def test_a_device_in_use_makes_the_rule_engine_subscription(home: Home) -> None:
    await home.put(DEVICE_USE)
    async with home.record.transaction(1) as tx:
        subscription = await tx.get("Subscription", "rule-engine-ann")
    assert subscription is not None
    assert subscription["status"] == "active"


async def test_a_needle_slip_is_one_incident_with_its_cause(home: Home) -> None:
    for code in ("198242", "198260"):
        await home.hear(home.event(code))
        home.pass_time(5)
    incidents = {alert.incident for _, alert in home.listener.told}
    assert len(home.listener.told) == 2
    assert len(incidents) == 1


async def test_a_machine_alarm_is_kept_alive_goes_stale_and_ends_latched(home: Home) -> None:
    await home.hear(home.event("198260"))
    home.pass_time(40)
    await home.hear(home.event("198260", "continue"))
    home.pass_time(40)
    assert await home.scan() == 0
    home.pass_time(6)
    assert await home.scan() == 1
    assert home.listener.told[-1][1].condition == "stale"
    await home.hear(home.event("198260", "end"))
    alert = home.listener.told[-1][1]
    assert (alert.condition, alert.signal, alert.closed) == ("absent", "latched", None)


async def test_an_alarm_of_an_unbound_device_is_stored_without_a_patient(home: Home) -> None:
    await home.hear(home.event("198260", patient=None))
    await home.hear(home.event("198260", "continue", patient=None))
    ((cause, alert),) = home.listener.told
    assert (cause, alert.patient, alert.device, alert.priority) == ("raised", None, "m1", "PH")
    async with home.record.transaction(1) as tx:
        assert await alerts.load(tx, None, alert.id) == alert


async def test_answers_move_the_alert_and_closing_ends_the_flag(home: Home) -> None:
    await home.measure(home.reading(SYSTOLIC, 70))
    alert = home.listener.told[0][1]
    async with home.record.transaction(1) as tx:
        with pytest.raises(Forbidden):
            await alerts.respond(tx, alert.id, "ann", "arrive", "Patient/ann")
    async with home.record.transaction(1) as tx:
        await alerts.respond(tx, alert.id, "ann", "notify", "Device/fhirserver")
        await alerts.respond(tx, alert.id, "ann", "arrive", "RelatedPerson/bob")
        late = await alerts.respond(tx, alert.id, "ann", "acknowledge", "RelatedPerson/eve")
        assert late.response == "at-patient"
        closed = await alerts.respond(tx, alert.id, "ann", "close", "Practitioner/nurse")
        flag = await tx.get("Flag", alert.flag or "")
    assert closed.closed == home.now
    assert flag is not None
    assert flag["status"] == "inactive"
    kinds = await home.query(
        "SELECT kind FROM alert_event WHERE alert = %s ORDER BY at, id", (alert.id,)
    )
    assert sorted(kind for (kind,) in kinds) == ["arrive", "close", "ignored", "notify", "raised"]


async def test_another_patients_alert_is_not_found(home: Home) -> None:
    await home.measure(home.reading(SYSTOLIC, 70))
    alert = home.listener.told[0][1]
    async with home.record.transaction(1) as tx:
        with pytest.raises(NotFound):
            await alerts.load(tx, "eve", alert.id)


async def test_another_tenant_sees_nothing_and_events_cannot_be_changed(
    home: Home, database: Database
) -> None:
    await home.measure(home.reading(SYSTOLIC, 70))
    writer = await AsyncConnection.connect(database.dsn_as("fhir_write"), autocommit=True)
    async with writer:
        await writer.execute("SELECT set_config('app.tenant', '2', false)")
        for table in ("alert", "alert_event", "evaluation", "rule_set", "device_watch"):
            rows = await writer.execute(SQL("SELECT 1 FROM {}").format(Identifier(table)))
            assert await rows.fetchall() == []
        await writer.execute("SELECT set_config('app.tenant', '1', false)")
        with pytest.raises(InsufficientPrivilege):
            await writer.execute("UPDATE alert_event SET kind = 'x'")
        with pytest.raises(InsufficientPrivilege):
            await writer.execute("DELETE FROM alert")


async def test_no_value_and_no_limit_is_readable_in_the_database(home: Home) -> None:
    await home.put(order(110))
    await home.measure(home.reading(SYSTOLIC, 88))
    rows = await home.query("SELECT state FROM evaluation WHERE state IS NOT NULL")
    rows += await home.query("SELECT orders FROM rule_set")
    rows += await home.query("SELECT detail FROM alert")
    rows += await home.query("SELECT detail FROM alert_event")
    assert len(rows) == 5
    for (sealed,) in rows:
        assert b"systolic" not in bytes(sealed)
        assert b"8480-6" not in bytes(sealed)
