"""Who carries what, how long they are waited for, and who rests."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from subscriptions.channels.carriers import LONGEST_REST_SECONDS, REST_SECONDS, Carriers
from subscriptions.channels.telephony import Refused, Unavailable
from tests.contract.sendings import sending
from tests.integration.response.doubles import Company

BOB = "+15550000001"


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def company(name: str, *media: str) -> Company:
    carried = frozenset(media or ("sms", "voice"))
    return Company(lambda: datetime(2026, 8, 1, tzinfo=UTC), name=name, carries=carried)  # type: ignore[arg-type]


FIRST = replace(sending(), company="first")


def test_who_carries_what() -> None:
    carriers = Carriers([company("texts", "sms"), company("both")], Clock())
    assert carriers.carrying("sms") == ("texts", "both")
    assert carriers.carrying("voice") == ("both",)


async def test_who_fails_rests_longer_each_time() -> None:
    clock, first = Clock(), company("first")
    carriers = Carriers([first, company("second")], clock)
    first.down = True
    rests = []
    for _ in range(7):
        with pytest.raises(Unavailable):
            await carriers.hand_over(FIRST)
        began = clock.seconds
        while carriers.resting():
            clock.seconds += 1
        rests.append(clock.seconds - began)
    assert rests == [REST_SECONDS, 60, 120, 240, 480, LONGEST_REST_SECONDS, LONGEST_REST_SECONDS]
    first.down = False
    await carriers.hand_over(FIRST)
    first.down = True
    with pytest.raises(Unavailable):
        await carriers.hand_over(FIRST)
    clock.seconds += REST_SECONDS
    assert carriers.resting() == frozenset()


async def test_failures_side_by_side_are_one() -> None:
    clock, first = Clock(), company("first")
    carriers = Carriers([first], clock)
    first.down = True
    for _ in range(20):
        with pytest.raises(Unavailable):
            await carriers.hand_over(FIRST)
    clock.seconds += REST_SECONDS
    assert carriers.resting() == frozenset()


async def test_a_refusal_is_about_the_number_and_lets_nobody_rest() -> None:
    first = company("first")
    carriers = Carriers([first], Clock())
    first.refuse[BOB] = "21211"
    with pytest.raises(Refused):
        await carriers.hand_over(FIRST)
    assert carriers.resting() == frozenset()


class Slow(Company):
    """A company that answers after a tenth of a second."""

    async def text(self, to: str, body: str, callback: str) -> str:
        await asyncio.sleep(0.1)
        return await super().text(to, body, callback)


@pytest.mark.parametrize(
    ("urgency", "others", "waited"),
    [("PH", True, False), ("PH", False, True), ("PM", True, True)],
)
async def test_a_critical_page_waits_less_where_somebody_else_can_be_asked(
    urgency: str, others: bool, waited: bool
) -> None:
    slow = Slow(lambda: datetime(2026, 8, 1, tzinfo=UTC), name="first")
    companies = [slow, company("second")] if others else [slow]
    carriers = Carriers(companies, Clock(), send_seconds=0.16)
    page = replace(FIRST, urgency=urgency)  # type: ignore[arg-type]
    if waited:
        assert await carriers.hand_over(page)
    else:
        with pytest.raises(Unavailable) as away:
            await carriers.hand_over(page)
        assert away.value.ambiguous


async def test_a_company_that_is_gone_from_the_settings_knows_nothing() -> None:
    carriers = Carriers([company("second")], Clock())
    with pytest.raises(Unavailable) as away:
        await carriers.hand_over(FIRST)
    assert not away.value.ambiguous
    with pytest.raises(Unavailable):
        await carriers.look_up(FIRST)
