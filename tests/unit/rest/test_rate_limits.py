"""How often one may ask: buckets of a minute, per account, app and address, and the way of an alarm apart."""

from dataclasses import replace

import httpx
import pytest

from fhirserver.kernel.errors import TooManyRequests
from fhirserver.kernel.principal import Access, Principal
from fhirserver.rest import application
from fhirserver.rest.rate_limits import MOST_CALLERS, Allowance, Limits, Rates
from tests.unit.rest.conftest import BASE, Server, issues, token

RATES = Rates(account=60, client=90, strangers=6, sign_in=3, alarms=1000)


class Clock:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


def granted(allowance: Allowance, who: str, tries: int) -> int:
    return sum(allowance.wait(who) == 0 for _ in range(tries))


def test_a_minutes_worth_may_come_at_once_and_no_more() -> None:
    assert granted(Allowance(60, Clock()), "ann", 100) == 60


def test_the_bucket_fills_up_evenly_and_never_above_a_minutes_worth() -> None:
    clock = Clock()
    allowance = Allowance(60, clock)
    granted(allowance, "ann", 100)
    clock.seconds += 10
    assert granted(allowance, "ann", 100) == 10
    clock.seconds += 3600
    assert granted(allowance, "ann", 100) == 60


def test_the_wait_that_is_told_is_long_enough_and_not_longer_than_needed() -> None:
    clock = Clock()
    allowance = Allowance(6, clock)
    granted(allowance, "ann", 6)
    wait = allowance.wait("ann")
    assert wait == 10
    clock.seconds += wait
    assert allowance.wait("ann") == 0


def test_one_caller_does_not_spend_what_another_has() -> None:
    allowance = Allowance(2, Clock())
    assert granted(allowance, "ann", 5) == 2
    assert granted(allowance, "joe", 5) == 2


def test_zero_means_any_number() -> None:
    assert granted(Allowance(0, Clock()), "ann", 1000) == 1000


def test_the_memory_of_callers_is_bounded() -> None:
    clock = Clock()
    allowance = Allowance(60, clock)
    for number in range(MOST_CALLERS + 10):
        allowance.wait(number)
    assert len(allowance._full_at) <= MOST_CALLERS


def test_an_account_is_one_caller_whatever_token_it_shows() -> None:
    limits = Limits(Rates(account=2), Clock())
    nina = Access(Principal(1, "practitioner", "Practitioner/nina"), everything=False)
    limits.caller(nina)
    limits.caller(replace(nina, patients=frozenset({"ann"})))
    with pytest.raises(TooManyRequests) as refused:
        limits.caller(nina)
    assert refused.value.retry_after == 30
    limits.caller(replace(nina, principal=Principal(2, "practitioner", "Practitioner/nina")))


def test_an_app_has_one_allowance_for_all_its_users() -> None:
    limits = Limits(Rates(account=100, client=2), Clock())
    for user in ("Patient/ann", "Patient/joe"):
        limits.caller(
            Access(Principal(1, "patient", user), everything=False, client="app", account=user)
        )
    with pytest.raises(TooManyRequests, match="this app"):
        limits.caller(
            Access(Principal(1, "patient", "Patient/mia"), everything=False, client="app")
        )


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8::1", "2001:db8::ffff:2", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("fe80::1%eth0", "fe80::2%eth1", True),
    ],
)
def test_what_one_household_can_choose_freely_is_one_address(
    first: str, second: str, *, same: bool
) -> None:
    limits = Limits(Rates(strangers=1), Clock())
    limits.stranger(first)
    if same:
        with pytest.raises(TooManyRequests):
            limits.stranger(second)
    else:
        limits.stranger(second)


def limited(server: Server, rates: Rates = RATES) -> httpx.AsyncClient:
    app = application(replace(server.services(), rates=rates))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE + "/")


async def test_over_the_rate_is_a_429_with_retry_after_and_an_outcome(server: Server) -> None:
    async with limited(server) as client:
        for _ in range(60):
            assert (await client.get("Patient/ann", headers=token("nurse"))).status_code == 200
        refused = await client.get("Patient/ann", headers=token("nurse"))
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) == 1
        assert issues(refused)[0]["code"] == "throttled"
        assert refused.headers["x-content-type-options"] == "nosniff"
        # Nobody else is concerned, and the same caller is let in again.
        assert (await client.get("Patient/ann", headers=token("partner"))).status_code == 200
        server.seconds += 1
        assert (await client.get("Patient/ann", headers=token("nurse"))).status_code == 200


async def test_guessed_tokens_are_counted_by_address_and_never_ask_the_store_without_end(
    server: Server,
) -> None:
    async with limited(server) as client:
        answers = [
            (await client.get("Patient/ann", headers=token(f"guess-{n}"))).status_code
            for n in range(10)
        ]
        assert answers == [401] * 6 + [429] * 4


@pytest.mark.parametrize(
    "header", ["Basic YWRtaW46YWRtaW4=", "Bearer", "Bearer " + "x" * 5000, "?"]
)
async def test_headers_that_are_no_tokens_are_counted_by_address_too(
    server: Server, header: str
) -> None:
    async with limited(server) as client:
        statuses = [
            (await client.get("Patient/ann", headers={"authorization": header})).status_code
            for _ in range(8)
        ]
    assert statuses == [401] * 6 + [429] * 2


async def test_who_is_known_is_let_in_while_the_address_is_flooded(server: Server) -> None:
    async with limited(server) as client:
        assert (await client.get("Patient/ann", headers=token("nurse"))).status_code == 200
        for _ in range(10):
            await client.get("Patient/ann")
        server.seconds += 0.3
        assert (await client.get("Patient/ann")).status_code == 429
        assert (await client.get("Patient/ann", headers=token("nurse"))).status_code == 200


async def test_pages_without_a_token_are_counted_by_address(server: Server) -> None:
    async with limited(server) as client:
        answers = [(await client.get("metadata")).status_code for _ in range(8)]
        assert answers == [200] * 6 + [429] * 2


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/auth/login", 3),
        ("POST", "/auth/register", 3),
        ("GET", "/auth/login", 6),
        ("POST", "/auth/token", 6),
        ("GET", "/somewhere", 6),
        ("POST", "/telephony/home/sms", 20),
        ("GET", "/a/token", 20),
        ("GET", "/health/live", 20),
    ],
)
async def test_each_door_has_its_own_allowance(
    server: Server, method: str, path: str, allowed: int
) -> None:
    async with limited(server) as client:
        answers = [
            (await client.request(method, f"http://test{path}")).status_code for _ in range(20)
        ]
    assert sum(status != 429 for status in answers) == allowed


async def test_a_flood_of_other_requests_leaves_the_way_of_an_alarm_open(server: Server) -> None:
    async with limited(server) as client:
        for path in ("/auth/login", "/metrics", "/fhir/metadata", "/fhir/Patient/ann"):
            for _ in range(20):
                await client.post(f"http://test{path}")
        for path in ("/telephony/home/status", "/a/token"):
            assert (await client.post(f"http://test{path}")).status_code != 429


async def test_a_websocket_over_the_rate_is_closed_before_it_is_accepted(server: Server) -> None:
    app = application(replace(server.services(), rates=Rates(alarms=1)))
    sent: list[object] = []

    async def receive() -> dict[str, str]:
        return {"type": "websocket.connect"}

    async def send(message: object) -> None:
        sent.append(message)

    scope = {"type": "websocket", "path": "/nowhere", "headers": [], "client": ("192.0.2.1", 1)}
    for _ in range(2):
        await app(dict(scope), receive, send)
    assert sent[-1] == {"type": "websocket.close", "code": 1013}


def bundle(kind: str, entries: int) -> dict[str, object]:
    request = {"method": "GET", "url": "Patient/ann"}
    return {"resourceType": "Bundle", "type": kind, "entry": [{"request": request}] * entries}


@pytest.mark.parametrize("kind", ["batch", "transaction"])
async def test_a_bundle_counts_as_many_requests_as_it_has_entries(
    server: Server, kind: str
) -> None:
    async with limited(server) as client:
        headers = token("nurse")
        assert (await client.post("", json=bundle(kind, 30), headers=headers)).status_code == 200
        assert (await client.post("", json=bundle(kind, 20), headers=headers)).status_code == 200
        refused = await client.post("", json=bundle(kind, 20), headers=headers)
        assert refused.status_code == 429
        assert issues(refused)[0]["code"] == "throttled"
        # What was refused as a whole has cost the one request that it came as.
        answers = [
            (await client.get("Patient/ann", headers=headers)).status_code for _ in range(12)
        ]
        assert answers == [200] * 9 + [429] * 3


async def test_a_bundle_of_more_entries_than_a_minute_allows_costs_half_a_minute(
    server: Server,
) -> None:
    async with limited(server) as client:
        headers, large = token("nurse"), bundle("batch", 200)
        assert (await client.post("", json=large, headers=headers)).status_code == 200
        refused = await client.post("", json=large, headers=headers)
        assert refused.status_code == 429
        server.seconds += int(refused.headers["retry-after"])
        assert (await client.post("", json=large, headers=headers)).status_code == 200
