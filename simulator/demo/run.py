"""`make run`: everything on one machine, until Ctrl-C.

Order: phone company, server, seeding through the REST API, four homes, the story. Stopping goes the
other way round with the server first, so that devices that fall silent because we stop alarm
nobody.
"""

import asyncio
import contextlib
import os
import secrets
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import orjson

from simulator.demo.app_door import PASSWORD, DoorError, open_door, people
from simulator.demo.arming import arm_all
from simulator.demo.cast import COMPANY_NUMBER, HOUSEHOLDS, Household, phones
from simulator.demo.loopback_http import LoopbackServer
from simulator.demo.narrator import Narrator
from simulator.demo.page_application import Page, page_application
from simulator.demo.picture import Line, Picture
from simulator.demo.players import Players
from simulator.demo.seeding import (
    cuff_id,
    issue_tokens,
    machine_id,
    seed_devices,
    seed_people,
)
from simulator.demo.server_process import ServerError, ServerProcess
from simulator.demo.watcher import Watcher
from simulator.devices.messages import Speaker
from simulator.fleet import Fleet
from simulator.home import Home, started_before
from simulator.phone_company.application import application as phone_application
from simulator.phone_company.exchange import Exchange
from simulator.phone_company.records import Account
from simulator.record import Record, RecordError
from simulator.transports.buffer import StoreAndForward
from simulator.transports.connection import Broker, Credential
from simulator.transports.mqtt import Link

ACCOUNT = "AC00000000000000000000000000000001"
BOOT_BYTES = 4
# What may go wrong around us; anything else is a defect and shows its traceback.
EXPECTED = (ServerError, RecordError, OSError, httpx.HTTPError)


@dataclass(frozen=True, slots=True)
class Place:
    """Where the demonstration runs, from the environment: PORT, DATA, MQTT_PORT."""

    port: int
    data: Path
    mqtt_port: int

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Place":
        """Return the place `environment` names; raises ValueError for a port that is no number."""
        return cls(
            int(environment.get("PORT", "8080")),
            Path(environment.get("DATA", "./.data")).expanduser(),
            int(environment.get("MQTT_PORT", "1883")),
        )

    @property
    def url(self) -> str:
        """The server's URL."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def base(self) -> str:
        """The FHIR base URL."""
        return f"{self.url}/fhir"


def now() -> datetime:
    """Return the time of this machine."""
    return datetime.now(UTC)


def demo_json(
    place: Place, phone_url: str, tokens: dict[str, str], credentials: dict[str, Credential]
) -> dict[str, Any]:
    """Return what a script needs to use the running system."""
    devices = []
    for home in HOUSEHOLDS:
        for identity, hardware in ((machine_id(home), home.machine), (cuff_id(home), home.cuff)):
            credential = credentials[hardware.eui64]
            devices.append(
                {
                    "id": identity,
                    "patient": home.patient.id,
                    "kind": hardware.kind,
                    "eui64": hardware.dashed,
                    "username": credential.username,
                    "password": credential.password,
                    "tenant": credential.tenant,
                    "device": credential.device,
                }
            )
    return {
        "base": place.base,
        "mqtt": f"127.0.0.1:{place.mqtt_port}",
        "phone": phone_url,
        "tokens": tokens,
        "devices": devices,
        "patients": [
            {
                "id": home.patient.id,
                "name": home.patient.name,
                "device": machine_id(home),
                "scenario": home.scenario,
            }
            for home in HOUSEHOLDS
        ],
    }


@contextlib.contextmanager
def kept_while_running(path: Path, content: dict[str, Any]) -> Any:
    """Hold `content` in `path`, readable by its owner alone, and remove it at the end."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(orjson.dumps(content, option=orjson.OPT_INDENT_2))
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


class Demonstration:
    """One run."""

    def __init__(self, place: Place, narrator: Narrator) -> None:
        self._place = place
        self._narrator = narrator
        self._picture = Picture()
        self._fleet = Fleet(now)
        self._settings: dict[str, str] = {}

    async def run(self) -> None:
        """Run until cancelled; raises ServerError, RecordError or OSError when it cannot."""
        place = self._place
        # The database runs as an account of its own when we are root: it must get through, not look around.
        place.data.mkdir(mode=0o711, parents=True, exist_ok=True)
        async with AsyncExitStack() as stack:
            http = await stack.enter_async_context(httpx.AsyncClient(timeout=10.0))
            exchange, phone_url = await stack.enter_async_context(self._phone_company(http))
            page = LoopbackServer()
            stack.push_async_callback(page.stop)
            server = await stack.enter_async_context(self._server(exchange, phone_url, page.url))
            self._narrator.say(f"Starting the server on {place.url}; its log: {server.log}")
            await server.ready(http)
            record = Record(http, place.base, self._admin_token())
            credentials = await seed_devices(record)
            tenant = next(iter(credentials.values())).tenant
            exchange.inbound_url = f"{place.url}/telephony/{tenant}/sms"
            watcher = Watcher(
                record,
                http,
                phone_url,
                self._picture,
                clock=now,
                tell=self._narrator.tell,
            )
            await seed_people(record)
            tokens = await issue_tokens(record, record.token)
            self._build_homes(credentials)
            players = Players(exchange, self._help)
            await stack.enter_async_context(_beside(players.run()))
            armed = await arm_all(record, now)
            await watcher.look()
            for line in armed:
                self._tell(line)
            await self._fleet.open()
            handlers = Page(self._picture, http, phone_url, self._fleet.control, now)
            await page.start(page_application(handlers))
            stack.enter_context(
                kept_while_running(
                    place.data / "demo.json", demo_json(place, phone_url, tokens, credentials)
                )
            )
            await watcher.look()
            self._tell_ready()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._fleet.run())
                tasks.create_task(watcher.run())
                tasks.create_task(self._follow_server(server))
                tasks.create_task(self._open_door())
                for home in HOUSEHOLDS:
                    tasks.create_task(self._disturb(home))

    @asynccontextmanager
    async def _phone_company(self, http: httpx.AsyncClient) -> AsyncIterator[tuple[Exchange, str]]:
        account = Account(ACCOUNT, secrets.token_hex(16), COMPANY_NUMBER)
        exchange = Exchange(
            account,
            http,
            clock=now,
            identifier=lambda kind: f"{kind}{secrets.token_hex(16)}",
        )
        for person in phones():
            phone = exchange.phone(person.phone)
            phone.name = person.name
            phone.auto_verify = True
        server = LoopbackServer()
        await server.start(phone_application(exchange))
        try:
            yield exchange, server.url
        finally:
            await exchange.close()
            await server.stop()

    @asynccontextmanager
    async def _server(
        self, exchange: Exchange, phone_url: str, page_url: str
    ) -> AsyncIterator[ServerProcess]:
        place = self._place
        server = ServerProcess(place.url, place.data / "server.log")
        settings = {
            "HOST": "127.0.0.1",
            "PORT": str(place.port),
            "DATA": str(place.data),
            "MQTT_PORT": str(place.mqtt_port),
            "PUBLIC_URL": place.url,
            "DEMO": "1",
            "DEMO_PAGE_URL": f"{page_url}/",
            # Nobody shall need an authenticator to look at invented people.
            "SECOND_FACTOR": "nobody",
            "ALLOW_INSECURE_ENDPOINTS": "1",
            "SMS_URL": phone_url,
            "SMS_ACCOUNT": exchange.account.sid,
            "SMS_TOKEN": exchange.account.token,
            "SMS_FROM": exchange.account.number,
        }
        await server.start(settings)
        self._settings = settings
        try:
            yield server
        finally:
            await server.stop()
            for connection in self._fleet.connections:
                connection.cut()

    def _admin_token(self) -> str:
        return (self._place.data / "admin.token").read_text().strip()

    def _build_homes(self, credentials: dict[str, Credential]) -> None:
        broker = Broker("127.0.0.1", self._place.mqtt_port)
        boot = secrets.token_hex(BOOT_BYTES)
        for home in HOUSEHOLDS:
            machine, cuff = Speaker(home.machine, boot), Speaker(home.cuff, boot)
            links = {}
            for speaker in (machine, cuff):
                eui64 = speaker.identity.eui64
                # One device listens to the control topic for all.
                listens = home is HOUSEHOLDS[0] and speaker is machine
                links[eui64] = Link(
                    broker,
                    credentials[eui64],
                    speaker,
                    StoreAndForward(boot),
                    on_control=self._fleet.control_payload if listens else None,
                )
            running = Home(
                f"home-{home.key}",
                home.treatment(),
                machine,
                cuff,
                started=started_before(now(), home.elapsed_min),
                mono_ms=int(home.elapsed_min * 60_000),
            )
            self._fleet.add(running, links)

    async def _disturb(self, home: Household) -> None:
        await asyncio.sleep(home.starts_after_s)
        scenario = home.disturbance()
        self._fleet.home(f"home-{home.key}").begin(scenario)
        text = f"what happens here: {scenario.title}"
        self._tell(Line(now(), "scenario", home.key, text))

    def _help(self, key: str) -> None:
        self._fleet.home(f"home-{key}").finish()
        self._tell(Line(now(), "scenario", key, "what happens here: somebody has put it right"))

    async def _follow_server(self, server: ServerProcess) -> None:
        code = await server.ended()
        raise ServerError(f"the server ended with code {code}\n{server.last_words()}")

    def _tell(self, line: Line) -> None:
        self._picture.add(line)
        self._narrator.tell(line)

    async def _open_door(self) -> None:
        """Let people into the app beside all else: it takes some commands, and nobody waits for them."""
        place = self._place
        try:
            await open_door(place.url, self._settings)
        except (DoorError, httpx.HTTPError) as error:
            self._narrator.say(f"The app cannot be signed in to: {error}")
            return
        logins = ", ".join(login for login, _ in people())
        self._narrator.say(
            f"The app: {place.url}/app/ (after `make app`); sign in as {logins}, password: {PASSWORD}"
        )

    def _tell_ready(self) -> None:
        place = self._place
        self._narrator.say("")
        self._tell(Line(now(), "ready", None, f"ready: open {place.url}/ and watch four homes"))
        self._narrator.say(f"FHIR base {place.base}, tokens and devices in {place.data}/demo.json")
        self._narrator.say("Answer the phones on the page. Ctrl-C stops everything.\n")


@asynccontextmanager
async def _beside(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run `work` until the block ends; what goes wrong in it is raised then."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def _stop_on_signals(stop: Callable[[], object]) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)


async def demonstrate(place: Place, narrator: Narrator) -> int:
    """Run the demonstration until a signal; return the exit code."""
    task = asyncio.ensure_future(Demonstration(place, narrator).run())
    _stop_on_signals(task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        narrator.say(f"\nstopped; the data stays in {place.data}")
        return 0
    except EXPECTED as error:
        narrator.say(f"cannot go on: {error}")
    except ExceptionGroup as group:
        expected, unexpected = group.split(EXPECTED)
        if unexpected is not None:
            raise unexpected from None
        for reason in expected.exceptions if expected is not None else ():
            narrator.say(f"cannot go on: {reason}")
    return 1
