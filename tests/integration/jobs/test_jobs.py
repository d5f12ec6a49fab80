"""Jobs: run by whoever claims them, asked about by their owners, ended one way or another."""

import asyncio

import orjson
import pytest

from fhirserver.kernel.errors import Conflict, TooManyRequests, Unprocessable
from fhirserver.kernel.jobs import JobLost, JobStatus, Running
from fhirserver.store.jobs import MOST_WAITING
from fhirserver.store.record import Record
from tests.integration.jobs.conftest import ADMIN, NURSE, OTHER, Clock, worker

LEASE = 15


async def echo(job: Running) -> bytes:
    await job.advance(1, 2)
    return b"heard " + job.request


async def known(record: Record, id_: str) -> JobStatus:
    status = await record.jobs.status(1, id_, ADMIN)
    assert status is not None
    return status


async def test_a_job_waits_is_run_and_tells_its_outcome(record: Record) -> None:
    id_ = await record.jobs.submit(1, "echo", b"hello", NURSE.principal)
    assert (await known(record, id_)).state == "waiting"

    assert await worker(record, {"echo": echo}).run_due() == 1

    status = await known(record, id_)
    assert (status.state, status.outcome, status.total) == ("done", b"heard hello", 2)
    assert status.progress == 2
    assert status.finished is not None


async def test_only_the_owner_and_administrators_know_of_a_job(record: Record) -> None:
    id_ = await record.jobs.submit(1, "echo", b"", NURSE.principal)

    assert await record.jobs.status(1, id_, NURSE) is not None
    assert await record.jobs.status(1, id_, OTHER) is None
    assert await record.jobs.status(2, id_, ADMIN) is None
    assert not await record.jobs.cancel(1, id_, OTHER)
    assert [one.id for one in await record.jobs.listed(1, ADMIN)] == [id_]
    assert await record.jobs.listed(1, OTHER) == []


async def test_what_is_handed_in_and_what_comes_out_is_sealed(record: Record) -> None:
    await record.jobs.submit(1, "echo", b"Ann Smith", NURSE.principal)
    await worker(record, {"echo": echo}).run_due()

    async with record.work(1) as tx:
        row = (await tx.execute("SELECT request, outcome FROM job"))[0]
    assert b"Ann" not in bytes(row[0])
    assert b"Ann" not in bytes(row[1])


async def test_a_refusal_is_the_callers_to_read(record: Record) -> None:
    async def refuse(job: Running) -> bytes:
        message = "Nothing to work on."
        raise Unprocessable(message)

    id_ = await record.jobs.submit(1, "refuse", b"", NURSE.principal)
    await worker(record, {"refuse": refuse}).run_due()

    status = await known(record, id_)
    assert (status.state, status.problem_status) == ("failed", 422)
    assert orjson.loads(status.problem or b"")["issue"][0]["diagnostics"] == "Nothing to work on."


async def test_a_fault_is_tried_again_then_told_without_its_words(record: Record) -> None:
    tries = []

    async def stumble(job: Running) -> bytes:
        tries.append(job)
        message = "Ann Smith has no bed"
        raise KeyError(message)

    id_ = await record.jobs.submit(1, "stumble", b"", NURSE.principal)
    await worker(record, {"stumble": stumble}).run_due()

    status = await known(record, id_)
    assert len(tries) == 3
    assert (status.state, status.problem_status) == ("failed", 500)
    assert status.fault is not None
    assert status.fault.startswith("KeyError at ")
    assert "Ann" not in status.fault + (status.problem or b"").decode()


async def test_losing_against_a_concurrent_change_is_no_failure(record: Record) -> None:
    tries = []

    async def collide(job: Running) -> bytes:
        tries.append(job)
        if len(tries) < 6:
            message = "somebody won"
            raise Conflict(message)
        return b"done"

    id_ = await record.jobs.submit(1, "collide", b"", NURSE.principal)
    await worker(record, {"collide": collide}).run_due()

    assert (await known(record, id_)).outcome == b"done"


async def test_a_dead_workers_job_goes_on_from_what_it_saved(record: Record, clock: Clock) -> None:
    began = asyncio.Event()
    seen: list[bytes] = []

    async def hang(job: Running) -> bytes:
        await job.advance(3, 10, b"three")
        began.set()
        await asyncio.Event().wait()
        return b""

    async def go_on(job: Running) -> bytes:
        seen.append(job.saved)
        return b"all ten"

    id_ = await record.jobs.submit(1, "count", b"", NURSE.principal)
    dead = asyncio.ensure_future(worker(record, {"count": hang}).run_due())
    await began.wait()
    successor = worker(record, {"count": go_on})

    assert await successor.run_due() == 0
    clock.later(seconds=LEASE + 1)
    assert await successor.run_due() == 1

    status = await known(record, id_)
    assert (status.state, status.outcome, seen) == ("done", b"all ten", [b"three"])
    dead.cancel()
    await asyncio.gather(dead, return_exceptions=True)
    assert (await known(record, id_)).state == "done"


async def test_who_lost_the_claim_saves_nothing_more(record: Record, clock: Clock) -> None:
    refusals = []

    async def slow(job: Running) -> bytes:
        clock.later(seconds=LEASE + 1)
        await worker(record, {"slow": echo}).run_due()
        for act in (job.advance(9, 9), _commit(record, job)):
            try:
                await act
            except JobLost as lost:
                refusals.append(lost)
        return b"too late"

    id_ = await record.jobs.submit(1, "slow", b"", NURSE.principal)
    await worker(record, {"slow": slow}).run_due()

    status = await known(record, id_)
    assert (status.outcome, len(refusals)) == (b"heard ", 2)


async def _commit(record: Record, job: Running) -> None:
    async with record.work(1) as tx:
        await job.require_claim(tx)


async def test_a_running_job_ends_when_it_is_cancelled(record: Record) -> None:
    async def work(job: Running) -> bytes:
        assert await record.jobs.cancel(1, id_, NURSE)
        await job.advance(1, None)
        raise AssertionError

    id_ = await record.jobs.submit(1, "work", b"", NURSE.principal)
    await worker(record, {"work": work}).run_due()

    assert (await known(record, id_)).state == "cancelled"


async def test_a_waiting_or_finished_job_is_forgotten_when_it_is_cancelled(record: Record) -> None:
    id_ = await record.jobs.submit(1, "echo", b"", NURSE.principal)

    assert await record.jobs.cancel(1, id_, NURSE)

    assert await record.jobs.status(1, id_, NURSE) is None
    assert await worker(record, {"echo": echo}).run_due() == 0


async def test_outcomes_are_kept_for_a_day(record: Record, clock: Clock) -> None:
    id_ = await record.jobs.submit(1, "echo", b"", NURSE.principal)
    await worker(record, {"echo": echo}).run_due()

    clock.later(hours=23)
    await record.jobs.forget(1)
    assert await record.jobs.status(1, id_, NURSE) is not None

    clock.later(hours=2)
    await record.jobs.forget(1)
    assert await record.jobs.status(1, id_, NURSE) is None


async def test_a_caller_cannot_flood_the_queue(record: Record) -> None:
    for _ in range(MOST_WAITING):
        await record.jobs.submit(1, "echo", b"", NURSE.principal)

    with pytest.raises(TooManyRequests):
        await record.jobs.submit(1, "echo", b"", NURSE.principal)
    await record.jobs.submit(1, "echo", b"", OTHER.principal)


async def test_upkeep_runs_one_at_a_time_in_a_tenant(record: Record) -> None:
    at_once: list[int] = []
    running = 0

    async def tidy(job: Running) -> bytes:
        nonlocal running
        running += 1
        at_once.append(running)
        await asyncio.sleep(0.05)
        running -= 1
        return b""

    for _ in range(3):
        await record.jobs.submit(1, "tidy", b"", ADMIN.principal)
    workers = [worker(record, upkeep={"tidy": tidy}) for _ in range(3)]
    while sum(await asyncio.gather(*(one.run_due() for one in workers))):
        pass

    assert at_once == [1, 1, 1]


async def test_a_worker_that_is_told_to_stop_gives_back_what_it_runs(record: Record) -> None:
    began, stop = asyncio.Event(), asyncio.Event()

    async def long(job: Running) -> bytes:
        began.set()
        await asyncio.Event().wait()
        return b""

    id_ = await record.jobs.submit(1, "long", b"", NURSE.principal)
    running = asyncio.ensure_future(worker(record, {"long": long}).run(stop))
    await began.wait()
    stop.set()
    await running

    assert (await known(record, id_)).state == "waiting"
