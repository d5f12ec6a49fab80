"""The watchdog's own ways to the operator, its heartbeat for devices, and the outer watch."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from fhirserver.kernel.errors import Unavailable
from subscriptions.channels.twilio import Account
from subscriptions.core.vigil import Notice
from subscriptions.watching.assembly import mail_server_of
from subscriptions.watching.dead_man import DeadMan
from subscriptions.watching.heartbeat import DeviceHeartbeat
from subscriptions.watching.operator_line import HookWay, NotTaken, OperatorLine, PhoneWay
from subscriptions.watching.watchdog import Eyes, Watchdog

NOW = datetime(2026, 8, 1, 9, 0, tzinfo=UTC)
NOTICE = Notice("trouble", (("engine-silent", NOW),), NOW)


class Way:
    """Takes a message, or does not."""

    name = "way"

    def __init__(self, *, takes: bool) -> None:
        self.takes = takes
        self.told: list[str] = []

    async def tell(self, notice: Notice, text: str) -> None:
        self.told.append(text)
        if not self.takes:
            raise NotTaken("broken")


async def test_one_way_that_takes_it_is_enough_and_a_broken_one_hides_nothing() -> None:
    broken, whole = Way(takes=False), Way(takes=True)
    assert await OperatorLine([broken, whole], "https://fhir").tell(NOTICE)
    assert broken.told == whole.told
    assert "nothing watches time" in whole.told[0]
    assert not await OperatorLine([broken], "https://fhir").tell(NOTICE)
    assert await OperatorLine([], "https://fhir").tell(NOTICE)


async def test_the_web_hook_is_told_in_words_and_in_codes() -> None:
    seen: list[Any] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(json.loads(request.content))
        return httpx.Response(200 if len(seen) == 1 else 500)

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
        line = OperatorLine([HookWay("https://hook.example.org/x", client)], "https://fhir")
        assert await line.tell(NOTICE)
        assert not await line.tell(NOTICE)
    assert seen[0]["kind"] == "trouble"
    assert seen[0]["troubles"] == [{"code": "engine-silent", "since": "2026-08-01T09:00:00+00:00"}]
    assert seen[0]["text"].startswith("https://fhir: ALARMS MAY NOT REACH ANYBODY")


async def test_the_operators_telephone_is_texted_by_the_watchdogs_own_company() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(201, json={"sid": "SM1"})

    account = Account("https://other.example.org", "AC9", "secret", "+15550009999")
    way = PhoneWay(account, "+15550001111", httpx.MockTransport(answer))
    assert await OperatorLine([way], "https://fhir").tell(NOTICE)
    assert seen[0].url.host == "other.example.org"
    assert b"To=%2B15550001111" in seen[0].content


async def test_the_outer_watch_is_asked_only_while_everything_is_in_order() -> None:
    asked: list[str] = []
    well = True

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        return httpx.Response(200 if len(asked) == 1 else 503)

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
        outer = DeadMan("https://monitor.example.org/ping", 30, client, lambda: well)
        assert await outer.ask()
        assert not await outer.ask()
        well = False
        assert not await outer.ask()
    assert asked == ["https://monitor.example.org/ping"] * 2


def test_the_watchdogs_mail_server_is_written_as_a_url() -> None:
    server = mail_server_of("smtp://us%40x:p%2Fw@mail.example.org", "a@example.org")
    assert (server.host, server.port, server.security) == ("mail.example.org", 587, "starttls")
    assert (server.username, server.password) == ("us@x", "p/w")
    assert mail_server_of("smtps://mail.example.org:10465", "a@x").security == "tls"
    assert mail_server_of("smtps://mail.example.org", "a@x").port == 465


class Server:
    """The other processes as the watchdog sees them, with the rows it reads and writes."""

    def __init__(self) -> None:
        self.now = NOW
        self.lag: timedelta | None = timedelta(milliseconds=12)
        self.has_database = True
        self.has_broker = True
        self.written: list[Sequence[Any]] = []
        self.notices: list[Notice] = []
        self.published: list[tuple[str, dict[str, Any]]] = []
        self.watchdog = Watchdog(
            Eyes(self.execute, self.measure, lambda: self.has_broker, self.answers, self.clock),
            self.tell,
            ("ingest", "engine", "watchdog"),
            None,
        )
        self.heartbeat = DeviceHeartbeat(self.watchdog, self.tenants, self.publish, self.clock)

    def clock(self) -> datetime:
        return self.now

    async def measure(self) -> timedelta | None:
        return self.lag

    async def answers(self) -> bool | None:
        return None

    async def tenants(self) -> Sequence[str]:
        return ("home", "clinic")

    async def tell(self, notice: Notice) -> bool:
        self.notices.append(notice)
        return True

    async def publish(self, subject: str, message: bytes) -> None:
        self.published.append((subject, json.loads(message)))

    async def execute(self, sql: str, args: Sequence[Any]) -> list[tuple[Any, ...]]:
        if not self.has_database:
            raise Unavailable("away")
        if "GROUP BY role" in sql:
            return [("ingest", self.now), ("engine", self.now)]
        if "min(due_at)" in sql:
            return [(None, None, None, False, False)]
        if sql.startswith("INSERT INTO server_health"):
            self.written.append(args)
        return []

    async def pass_seconds(self, seconds: int) -> None:
        for _ in range(seconds):
            self.now += timedelta(seconds=1)
            await self.watchdog.look()


async def test_devices_hear_a_heartbeat_that_stops_when_evaluation_is_late() -> None:
    server = Server()
    assert not await server.heartbeat.beat()
    await server.pass_seconds(1)
    assert await server.heartbeat.beat()
    assert [subject for subject, _ in server.published] == ["hd.v1.home.cmd", "hd.v1.clinic.cmd"]
    assert server.published[0][1] == {
        "schema": "hd.beat/1", "time": "2026-08-01T09:00:01.000Z", "lag_ms": 12, "every_s": 10,
    }  # fmt: skip
    server.lag = timedelta(seconds=6)
    await server.pass_seconds(1)
    assert not await server.heartbeat.beat()
    server.lag = None
    await server.pass_seconds(1)
    assert not await server.heartbeat.beat()
    assert len(server.published) == 2


async def test_the_watchdog_tells_while_the_database_is_away_and_when_it_is_back() -> None:
    server = Server()
    await server.pass_seconds(5)
    assert [bool(args[1]) for args in server.written] == [True] * 5
    server.has_database = False
    await server.pass_seconds(30)
    assert [(one.kind, [code for code, _ in one.ailments]) for one in server.notices] == [
        ("trouble", ["database-away"])
    ]
    server.has_database = True
    await server.pass_seconds(30)
    assert [one.kind for one in server.notices] == ["trouble", "over"]
    assert server.watchdog.is_well


async def test_everybody_can_read_since_when_evaluation_is_late() -> None:
    server = Server()
    server.lag = timedelta(seconds=7)
    await server.pass_seconds(3)
    assert [args[1:4] for args in server.written] == [
        (False, 7000, NOW + timedelta(seconds=1)) for _ in range(3)
    ]
    server.lag = timedelta(0)
    await server.pass_seconds(1)
    assert server.written[-1][1:4] == (True, 0, None)
