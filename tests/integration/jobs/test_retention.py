"""Retention: what a policy forgets is gone with everything beside it, and what is evidence never is."""

import asyncio
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from fhirserver import definitions
from fhirserver.kernel import canonical
from fhirserver.kernel.errors import Gone, NotFound
from fhirserver.kernel.evidence import EVIDENCE_LEAD
from fhirserver.kernel.resource import Json
from fhirserver.kernel.retention import RetentionPolicy
from fhirserver.store import evidence, retention
from fhirserver.store.record import Record
from fhirserver.store.retention import Retention
from fhirserver.wire import fhir_json
from tests.integration.jobs.conftest import ADMIN, Clock, worker
from tests.integration.jobs.home import Home, rows

NOW = datetime(2026, 8, 1, 9, 0, tzinfo=UTC)
JUNE = datetime(2026, 6, 10, 10, 0, tzinfo=UTC)
OBSERVATION = definitions.load().type_number("Observation")
MINUTE = timedelta(minutes=1)


@pytest.fixture
async def home(record: Record, clock: Clock) -> Home:
    clock.now = datetime(2026, 5, 1, tzinfo=UTC)
    home = Home(record, clock)
    await home.furnish()
    return home


def flag(subject: str | None, start: str | None, end: str | None, *detail: str) -> Json:
    period = {name: value for name, value in (("start", start), ("end", end)) if value}
    resource: Json = {
        "resourceType": "Flag",
        "status": "inactive",
        "code": {"text": "alarm"},
        "subject": {"reference": subject or "Location/ward"},
        "extension": [
            {"url": canonical.FLAG_DETAIL, "valueReference": {"reference": f"Observation/{one}"}}
            for one in detail
        ],
    }
    if not detail:
        del resource["extension"]
    return {**resource, "period": period} if period else resource


async def put(record: Record, resource: Json, id_: str | None = None) -> str:
    async with record.transaction(1) as tx:
        return (await tx.put(resource, id_=id_)).id


async def apply(home: Home, policy: RetentionPolicy, **parts: Any) -> dict[str, int]:
    """Run the job of `policy` at NOW and return what it removed."""
    record = home.record
    home.clock.now = max(home.clock.now, NOW)
    await record.set_retention(1, policy)
    id_ = await record.jobs.submit(1, "retention", b"", ADMIN.principal)
    work = Retention(record.work, record._work.keys, record._work.definitions_of, **parts)
    await worker(record, upkeep={"retention": work}).run_due()
    status = await record.jobs.status(1, id_, ADMIN)
    assert status is not None
    assert status.state == "done", status
    return {
        one["name"]: one["valueDecimal"] for one in orjson.loads(status.outcome or b"")["parameter"]
    }


async def readings(record: Record) -> dict[str, datetime]:
    """The Observations that are there, by id, with their times."""
    found = await rows(
        record,
        "SELECT coalesce(fhir_id, id::text), time FROM resource WHERE type = %s",
        OBSERVATION,
    )
    return dict(found)


async def without_owner(record: Record) -> int:
    """How many rows beside resources belong to none."""
    (count,) = (
        await rows(
            record,
            "SELECT (SELECT count(*) FROM resource_range s WHERE NOT EXISTS (SELECT 1 FROM resource r WHERE r.id = s.id))"
            " + (SELECT count(*) FROM resource_location l WHERE NOT EXISTS (SELECT 1 FROM resource r WHERE r.id = l.id))"
            " + (SELECT count(*) FROM resource_history h WHERE NOT EXISTS (SELECT 1 FROM resource r WHERE r.id = h.id))",
        )
    )[0]
    return int(count)


async def test_without_a_policy_everything_stays(home: Home) -> None:
    await home.measure(JUNE)

    assert set((await apply(home, RetentionPolicy())).values()) == {0}
    assert len(await readings(home.record)) == 2


@pytest.mark.parametrize("most_kept", [1.0, -1.0], ids=["week replaced", "rows removed"])
async def test_old_readings_go_and_evidence_stays(home: Home, most_kept: float) -> None:
    for minutes in (-40, -11, -9, 10, 29, 31, 300):
        await home.measure(JUNE + minutes * MINUTE)
    await home.measure(NOW - timedelta(days=2))
    await put(home.record, flag("Patient/ann", "2026-06-10T10:00:00Z", "2026-06-10T10:30:00Z"))

    told = await apply(home, RetentionPolicy(telemetry_days=30), most_kept=most_kept)

    left = sorted(set((await readings(home.record)).values()))
    assert left == [*(JUNE + minutes * MINUTE for minutes in (-9, 10, 29)), NOW - timedelta(days=2)]
    assert told["readings"] == 8
    assert (told["weeksReplaced"] > 0) == (most_kept > 0)
    assert await without_owner(home.record) == 0
    for id_ in await readings(home.record):
        assert (await home.record.read(ADMIN, "Observation", id_)).version == 1
    await home.measure(NOW)


async def test_amended_and_hand_written_observations_stay(home: Home) -> None:
    await home.measure(JUNE)
    amended, gone = sorted(await readings(home.record))
    content = fhir_json.read((await home.record.read(ADMIN, "Observation", amended)).content)
    await put(home.record, {**content, "status": "amended"}, amended)
    weight: Json = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": "weight"},
        "subject": {"reference": "Patient/ann"},
        "effectiveDateTime": "2026-06-10",
    }
    written = await put(home.record, weight)

    await apply(home, RetentionPolicy(telemetry_days=30))

    assert set(await readings(home.record)) == {amended, written}
    with pytest.raises(NotFound):
        await home.record.read(ADMIN, "Observation", gone)


async def test_a_reading_sent_again_is_not_stored_again(home: Home) -> None:
    await home.measure(JUNE)
    await apply(home, RetentionPolicy(telemetry_days=30))

    home._number -= 1
    await home.measure(NOW)

    assert await readings(home.record) == {}


@pytest.mark.parametrize("most_kept", [1.0, -1.0], ids=["week replaced", "rows removed"])
@pytest.mark.parametrize("named", [True, False])
async def test_a_flag_that_comes_in_the_last_moment_protects_its_readings(
    home: Home, monkeypatch: pytest.MonkeyPatch, most_kept: float, named: bool
) -> None:
    await home.measure(JUNE)
    pressure, flow = sorted(await readings(home.record))
    late = flag("Patient/ann", "2026-06-10T10:00:00Z", None)
    if named:
        late = flag("Patient/joe", "2026-06-10T10:00:00Z", None, pressure)
    read = evidence.evidence_of
    reads = []

    async def overtaken(*parts: Any) -> Any:
        found = await read(*parts)
        reads.append(found)
        if len(reads) == 1:
            await put(home.record, late)
        return found

    monkeypatch.setattr(retention, "evidence_of", overtaken)

    told = await apply(home, RetentionPolicy(telemetry_days=30), most_kept=most_kept)

    assert told["readings"] == (1 if named else 0)
    assert set(await readings(home.record)) == ({pressure} if named else {pressure, flow})


async def test_other_tenants_keep_their_week(home: Home) -> None:
    await home.measure(JUNE)
    other = await home.record.ensure_tenant("other")
    home.clock.now = JUNE
    async with home.record.transaction(other) as tx:
        theirs = await tx.put(
            {"resourceType": "Observation", "status": "final", "code": {"text": "x"}}
        )
    one_of_ours = await rows(
        home.record, "SELECT keys FROM resource WHERE type = %s LIMIT 1", OBSERVATION
    )
    async with home.record.work(other) as tx:
        await tx.execute("UPDATE resource SET keys = %s", (one_of_ours[0][0],))

    assert (await apply(home, RetentionPolicy(telemetry_days=30)))["weeksReplaced"] == 1

    access = type(ADMIN)(type(ADMIN.principal)(other, "admin", ""), everything=True)
    assert (await home.record.read(access, "Observation", theirs.id)).version == 1
    assert await readings(home.record) == {}


@pytest.mark.parametrize("seed", range(4))
async def test_what_flags_protect_is_never_removed(home: Home, seed: int) -> None:
    """Random readings and Flags against the rule said in Python."""
    dice = random.Random(seed)
    for _ in range(40):
        await home.measure(JUNE + dice.randrange(-5000, 20_000) * MINUTE)
    before = await readings(home.record)
    flags = [_random_flag(dice, sorted(before)) for _ in range(12)]
    for one in flags:
        await put(home.record, one)
    moved = await put(home.record, flag("Patient/ann", "2026-01-01", None))
    async with home.record.transaction(1) as tx:
        await tx.delete("Flag", moved)

    await apply(
        home,
        RetentionPolicy(telemetry_days=30),
        most_kept=dice.choice([1.0, 0.5, -1.0]),
        batch=dice.choice([3, 1000]),
    )

    limit = NOW - timedelta(days=30)
    needed = {
        id_
        for id_, at in before.items()
        if at >= limit or any(_protects(one, id_, at) for one in flags)
    }
    assert set(await readings(home.record)) == needed
    assert await without_owner(home.record) == 0


def _random_flag(dice: random.Random, ids: list[str]) -> Json:
    start = JUNE + dice.randrange(-5000, 20_000) * MINUTE
    end = start + dice.randrange(0, 600) * MINUTE
    whom = dice.choice(["Patient/ann", "Patient/ann", "Patient/ann", "Patient/joe", None])
    texts = (f"{start:%Y-%m-%dT%H:%M:%SZ}", f"{end:%Y-%m-%dT%H:%M:%SZ}")
    if dice.random() < 0.2:
        texts = (f"{start:%Y-%m-%d}", f"{end:%Y-%m-%d}")
    detail = [dice.choice(ids)] if dice.random() < 0.3 else []
    return flag(whom, *texts, *detail)


def _protects(one: Json, id_: str, at: datetime) -> bool:
    if f"Observation/{id_}" in str(one.get("extension", "")):
        return True
    if one["subject"]["reference"] == "Patient/joe":
        return False
    start, end = (_bounds(one["period"][side]) for side in ("start", "end"))
    return start[0] - EVIDENCE_LEAD <= at < end[1]


def _bounds(text: str) -> tuple[datetime, datetime]:
    if len(text) == 10:
        day = datetime.fromisoformat(text).replace(tzinfo=UTC)
        return day, day + timedelta(days=1)
    moment = datetime.fromisoformat(text)
    return moment, moment + timedelta(seconds=1)


async def test_old_versions_go_but_not_those_of_evidence(home: Home) -> None:
    clock = home.clock
    clock.now = JUNE
    await home.measure(JUNE)
    reading = min(await readings(home.record))
    content = fhir_json.read((await home.record.read(ADMIN, "Observation", reading)).content)
    alarm = await put(home.record, flag("Patient/ann", "2026-06-10T09:59:00Z", "2026-06-10"))
    for number in range(3):
        clock.now = JUNE + timedelta(days=number)
        await put(home.record, {"resourceType": "Patient", "gender": "female"}, "ann")
        await put(home.record, flag("Patient/ann", "2026-06-10T09:59:00Z", "2026-06-11"), alarm)
        await put(home.record, {**content, "status": "amended"}, reading)
    clock.now = NOW - timedelta(days=1)
    await put(home.record, {"resourceType": "Patient", "gender": "other"}, "ann")

    told = await apply(home, RetentionPolicy(history_days=30), batch=2)

    # The last of them was current until yesterday.
    assert told["versions"] == 3
    assert (await home.record.vread(ADMIN, "Patient", "ann", 4)).version == 4
    with pytest.raises(NotFound):
        await home.record.vread(ADMIN, "Patient", "ann", 2)
    assert (await home.record.vread(ADMIN, "Flag", alarm, 1)).version == 1
    assert (await home.record.vread(ADMIN, "Observation", reading, 1)).version == 1


async def test_old_audit_events_go_but_not_those_of_an_incident(home: Home) -> None:
    async def audit(at: datetime, patient: str) -> str:
        home.clock.now = at
        return await put(
            home.record,
            {
                "resourceType": "AuditEvent",
                "type": {"code": "rest"},
                "recorded": at.isoformat().replace("+00:00", "Z"),
                "agent": [{"requestor": True}],
                "source": {"observer": {"display": "server"}},
                "entity": [{"what": {"reference": f"Patient/{patient}"}}],
            },
        )

    during, other, before, new = (
        await audit(JUNE, "ann"),
        await audit(JUNE, "joe"),
        await audit(JUNE - timedelta(days=1), "ann"),
        await audit(NOW - timedelta(days=1), "ann"),
    )
    await put(home.record, flag("Patient/ann", "2026-06-10T10:00:00Z", "2026-06-10T10:30:00Z"))

    assert (await apply(home, RetentionPolicy(audit_days=30)))["auditEvents"] == 2

    for id_ in (during, new):
        assert (await home.record.read(ADMIN, "AuditEvent", id_)).version == 1
    for id_ in (other, before):
        with pytest.raises((NotFound, Gone)):
            await home.record.read(ADMIN, "AuditEvent", id_)


async def test_a_policy_is_applied_once_a_day(home: Home) -> None:
    record, clock = home.record, home.clock
    clock.now = NOW
    await record.apply_policies()
    assert await record.jobs.listed(1, ADMIN) == []

    await record.set_retention(1, RetentionPolicy(history_days=30))
    await record.apply_policies()
    await record.apply_policies()
    assert [one.kind for one in await record.jobs.listed(1, ADMIN)] == ["retention"]

    clock.later(hours=25)
    await record.apply_policies()
    assert len(await record.jobs.listed(1, ADMIN)) == 2


async def test_a_week_is_replaced_while_everything_goes_on(home: Home) -> None:
    """Reads, searches, writes and device readings meet a replacement only as a short wait."""
    for day in range(3):
        for minute in range(20):
            await home.measure(JUNE + timedelta(days=day, minutes=minute))
    await put(home.record, flag("Patient/ann", "2026-06-11T10:00:00Z", "2026-06-11T10:10:00Z"))
    kept = [id_ for id_, at in (await readings(home.record)).items()
            if JUNE + timedelta(hours=23, minutes=50) <= at <= JUNE + timedelta(days=1, minutes=10)]  # fmt: skip
    assert len(kept) == 22
    home.clock.now = NOW
    done = asyncio.Event()
    rounds = 0

    async def live() -> None:
        nonlocal rounds
        while not done.is_set():
            await home.measure(NOW + rounds * MINUTE)
            stored = await home.record.read(ADMIN, "Observation", kept[rounds % 22])
            await put(
                home.record, {"resourceType": "Patient", "multipleBirthInteger": rounds}, "ann"
            )
            await put(home.record, flag("Patient/ann", f"2026-08-01T09:{rounds % 60:02}:00Z", None))
            assert stored.version == 1
            rounds += 1

    async def replace() -> None:
        try:
            for _ in range(5):
                await apply(home, RetentionPolicy(telemetry_days=30))
        finally:
            done.set()

    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        tasks.create_task(live())
        tasks.create_task(replace())

    left = {id_ for id_, at in (await readings(home.record)).items() if at < NOW}
    assert left == set(kept)
    assert len(await readings(home.record)) == len(kept) + 2 * rounds
    assert await without_owner(home.record) == 0
