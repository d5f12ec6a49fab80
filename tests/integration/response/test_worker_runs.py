"""The worker as it runs: its own loops, real time, real connections on loopback."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

from fhirserver.kernel.errors import Conflict
from subscriptions.channels.egress import Answer
from subscriptions.core.timing import EDIT_GRACE
from tests.integration.response.conftest import BOB, EVE, NINA, Place
from tests.integration.response.doubles import Sent
from tests.patience import PATIENCE_SECONDS


async def test_an_alarm_reaches_the_telephone_by_itself(place: Place) -> None:
    stop = asyncio.Event()
    place.now = datetime.now(UTC)
    place.clock = lambda: datetime.now(UTC)  # type: ignore[method-assign]
    running = asyncio.ensure_future(place.worker.run({"engine", "deliver"}, stop))
    async with place.record.transaction(place.tenant) as tx:
        await place.evaluation.device_events(tx, [place._event("198260", "ann", end=False)])
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not place.pages(BOB):  # noqa: ASYNC110 - another task fills it
            await asyncio.sleep(0.01)
    stop.set()
    async with asyncio.timeout(PATIENCE_SECONDS):
        await running
    assert {s.medium for s in place.pages(BOB)} == {"sms", "voice"}


async def test_a_failing_loop_does_not_end_the_worker(place: Place) -> None:
    stop = asyncio.Event()
    calls = 0

    async def scan() -> None:
        nonlocal calls
        calls += 1
        stop.set()
        raise RuntimeError("a defect of another part")

    place.worker._every_second = (scan,)
    async with asyncio.timeout(PATIENCE_SECONDS):
        await place.worker.run({"engine", "deliver"}, stop)
    assert calls == 1


async def test_one_hanging_endpoint_holds_no_other_up(place: Place) -> None:
    from tests.integration.response.test_rest_hook import subscribe, subscription

    hanging = asyncio.Event()
    quick, slow = "https://quick.example.org/", "https://slow.example.org/"
    await subscribe(place, subscription("s1", url=slow))
    await subscribe(place, subscription("s2", url=quick))
    post = place.receiver.post

    async def posting(
        url: str, headers: Sequence[tuple[str, str]], body: bytes, timeout_seconds: float
    ) -> Answer:
        if url == slow:
            await hanging.wait()
        return await post(url, headers, body, timeout_seconds)

    place.receiver.post = posting  # type: ignore[method-assign]
    async with place.record.transaction(place.tenant) as tx:
        await place.evaluation.device_events(tx, [place._event("198260", "ann", end=False)])
    await place.worker.sequencer.run_due()
    before = len(place.receiver.got)
    async with asyncio.timeout(PATIENCE_SECONDS), asyncio.TaskGroup() as tasks:
        await place.worker.delivery.start_due(tasks)
        while len(place.receiver.got) == before or not place.pages(BOB):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        assert [url for url, _, _ in place.receiver.got[before:]] == [quick]
        hanging.set()


async def test_an_edit_does_not_wait_for_a_sending_that_hangs(place: Place) -> None:
    from tests.integration.response.test_rest_hook import EHR, subscribe, subscription

    quick, slow = "https://quick.example.org/", "https://slow.example.org/"
    await subscribe(place, subscription("s1", url=slow))
    post, begun, broken = place.receiver.post, asyncio.Event(), asyncio.Event()

    async def posting(
        url: str, headers: Sequence[tuple[str, str]], body: bytes, timeout_seconds: float
    ) -> Answer:
        if url == slow:
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                broken.set()
        return await post(url, headers, body, timeout_seconds)

    place.receiver.post = posting  # type: ignore[method-assign]
    stop = asyncio.Event()
    running = asyncio.ensure_future(place.worker.run({"engine", "deliver"}, stop))
    async with place.record.transaction(place.tenant) as tx:
        await place.evaluation.device_events(tx, [place._event("198260", "ann", end=False)])
    async with asyncio.timeout(PATIENCE_SECONDS):
        await begun.wait()
        await place.client_put(subscription("s1", url=quick), EHR)
        place.now += EDIT_GRACE + timedelta(milliseconds=1)
        while len([url for url, _, _ in place.receiver.got if url == quick]) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        await broken.wait()
    stop.set()
    async with asyncio.timeout(PATIENCE_SECONDS):
        await running


async def test_two_workers_send_each_page_once_while_answers_and_receipts_come_in(
    place: Place,
) -> None:
    """Everything at once for one patient: alarms, timers, replies, receipts, and no page twice."""
    place.clock = lambda: datetime.now(UTC)  # type: ignore[method-assign]
    stop = asyncio.Event()
    second = place.another_worker()
    working = [
        asyncio.ensure_future(worker.run({"engine", "deliver"}, stop))
        for worker in (place.worker, second)
    ]
    lost: list[str] = []

    async def insist(act: Callable[[], Awaitable[object]]) -> None:
        for _ in range(20):
            try:
                await act()
            except Conflict:
                lost.append("conflict")
                continue
            return
        raise AssertionError("a concurrent change won twenty times")

    async def alarm(event: str) -> None:
        async with place.record.transaction(place.tenant) as tx:
            await place.evaluation.device_events(tx, [place._event(event, "ann", end=False)])

    async def reply(phone: str, answer: str, number: int) -> None:
        async with place.record.transaction(place.tenant) as tx:
            await place.response.handle_reply(tx, phone, answer, f"SM-{phone}-{number}")

    async def receipt(sent: Sent) -> None:
        async with place.record.transaction(place.tenant) as tx:
            await place.response.receipts.received(tx, sent.attempt, "delivered", None)

    for number, event in enumerate(("198260", "198244", "198252", "198262")):
        await asyncio.gather(
            insist(partial(alarm, event)),
            insist(partial(reply, BOB, "a", number)),
            insist(partial(reply, EVE, "n", number)),
            insist(partial(reply, NINA, "y", number)),
            *(insist(partial(receipt, sent)) for sent in place.pages()),
        )
        await asyncio.sleep(0.1)
    await asyncio.sleep(0.5)
    stop.set()
    async with asyncio.timeout(PATIENCE_SECONDS):
        await asyncio.gather(*working)
    assert len(lost) <= 5, "the order of locks no longer keeps writers apart"
    rows = await place.query(
        "SELECT task, page, medium, count(*) FROM attempt WHERE task IS NOT NULL"
        " GROUP BY task, page, medium HAVING count(*) > 1"
    )
    assert rows == []
    assert len(place.pages()) == len({(s.medium, s.attempt) for s in place.pages()})
