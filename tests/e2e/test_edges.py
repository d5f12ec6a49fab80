"""A whole server at its edges: a second tenant, a device that is put out, and secrets that stay secret."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx
import paho.mqtt.client as mqtt
import psutil
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from websockets.asyncio.client import connect

from fhirserver.supervisor.database_credentials import database_passwords
from tests.e2e.conftest import RunningServer, a_server, files_below
from tests.integration.conftest import until
from tests.integration.websocket.conftest import Subscriber, alarm, put, subscription, token_for
from tests.patience import PATIENCE_SECONDS, unhurried

EUI64 = "urn:oid:1.2.840.10004.1.1.1.0.0.1.0.0.1.2680"
ADDRESS = "0A1B2CFFFE0000AA"
PLANTED = {
    "SMS_TOKEN_OLD": "canary-sms-token-before",
    "SMS_URL_2": "https://127.0.0.1:9",
    "SMS_ACCOUNT_2": "AC2",
    "SMS_TOKEN_2": "canary-sms-token-second",
    "SMS_FROM_2": "+15005550008",
    "SMTP_HOST": "127.0.0.1",
    "SMTP_PORT": "9",
    "SMTP_FROM": "alerts@example.org",
    "SMTP_USERNAME": "alerts",
    "SMTP_PASSWORD": "canary-smtp-password",
    "WATCHDOG_MAIL_TO": "operator@example.org",
    "WATCHDOG_WEBHOOK": "http://127.0.0.1:9/canary-webhook-url",
    "WATCHDOG_PING_URL": "http://127.0.0.1:9/canary-ping-url",
    "WATCHDOG_PING_SECONDS": "1",
    "LOG_LEVEL": "debug",
}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with a_server(**PLANTED) as running:
        yield running


def command(server: RunningServer, *words: str) -> str:
    """What the command line prints for this server's operator, on both outputs."""
    done = server.operator.run(*words)
    return done.out + done.err


def client(server: RunningServer, token: str) -> httpx.AsyncClient:
    headers = {"authorization": f"Bearer {token}", "content-type": "application/fhir+json"}
    return httpx.AsyncClient(base_url=f"{server.base}/", headers=headers, timeout=PATIENCE_SECONDS)


@pytest.fixture(scope="module")
def second(server: RunningServer) -> str:
    """The token of the administrator of a tenant made while the server runs."""
    assert "tenant clinic is made" in command(server, "tenants", "add", "clinic")
    assert "already" in command(server, "tenants", "add", "clinic")
    assert "name of a tenant" in command(server, "tenants", "add", "../etc")
    assert "\tclinic\n" in command(server, "tenants", "list")
    file = server.data / "clinic.admin.token"
    assert file.stat().st_mode & 0o777 == 0o600
    return file.read_text().strip()


class Machine:
    """A device over MQTT that remembers whether it is let in."""

    def __init__(self, server: RunningServer, username: str, password: str) -> None:
        self.allowed: list[bool] = []
        self.lost = 0
        self.client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=username.replace(".", "-"),
            protocol=mqtt.MQTTv311,
        )
        self.client.username_pw_set(username, password)
        self.client.on_connect = lambda _c, _u, _f, code, _p: self.allowed.append(
            not code.is_failure
        )
        self.client.on_disconnect = self._gone
        self.client.connect(*server.mqtt)
        self.client.loop_start()

    def _gone(self, *_args: object) -> None:
        self.lost += 1

    def subscribed(self, topic: str) -> list[bool]:
        answers: list[bool] = []
        self.client.on_subscribe = lambda _c, _u, _m, codes, _p: answers.extend(
            not code.is_failure for code in codes
        )
        self.client.subscribe(topic, qos=1)
        return answers

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


async def enrolled(http: httpx.AsyncClient, device: str, address: str) -> dict[str, str]:
    """Broker credentials of a fresh device."""
    identifier = {"system": EUI64, "value": address}
    await put(http, {"resourceType": "Device", "id": device, "identifier": [identifier]})
    answer = await http.post(f"Device/{device}/$enroll", json={"resourceType": "Parameters"})
    assert answer.status_code == 200, answer.text
    return {one["name"]: one["valueString"] for one in answer.json()["parameter"]}


async def test_rest_is_a_wall_between_tenants(server: RunningServer, second: str) -> None:
    async with client(server, server.token) as home, client(server, second) as clinic:
        await put(home, {"resourceType": "Patient", "id": "walled", "name": [{"family": "Wall"}]})
        assert (await clinic.get("Patient/walled")).status_code == 404
        for search in ("Patient?name=Wall", "Patient?_id=walled", "Observation?patient=walled"):
            assert "entry" not in (await clinic.get(search)).json()
        # The same id is another patient's there, and both stay what they are.
        await put(clinic, {"resourceType": "Patient", "id": "walled", "gender": "male"})
        assert "gender" not in (await home.get("Patient/walled")).json()
        # Rules and topics of its own came with it.
        rules = [
            (await http.get("PlanDefinition?_total=accurate")).json() for http in (home, clinic)
        ]
        assert rules[0]["total"] == rules[1]["total"] > 0


async def test_a_socket_hears_its_own_tenant_alone(server: RunningServer, second: str) -> None:
    url = f"ws://127.0.0.1:{server.process.place.port}/ws/subscriptions"
    async with client(server, server.token) as home, client(server, second) as clinic:
        for http in (home, clinic):
            await put(http, {"resourceType": "Patient", "id": "ann"})
            await put(http, subscription())
        await put(home, subscription() | {"id": "home-only"})
        asked = await clinic.get("Subscription/home-only/$get-ws-binding-token")
        assert asked.status_code == 404
        async with connect(url, proxy=None, open_timeout=PATIENCE_SECONDS) as socket:
            subscriber = Subscriber(socket, [])
            await subscriber.bind((await token_for(clinic, "s1"))["token"])
            await subscriber.next()
            await alarm(home, 1)
            await alarm(clinic, 2)
            told = str(await subscriber.next())
        assert "Flag/ann-2" in told
        assert "Flag/ann-1" not in told


async def test_a_device_speaks_in_its_own_tenant_alone(server: RunningServer, second: str) -> None:
    async with client(server, server.token) as home, client(server, second) as clinic:
        ours = await enrolled(home, "walled-device", "0A1B2CFFFE0000AB")
        theirs = await enrolled(clinic, "walled-device", "0A1B2CFFFE0000AB")
    assert theirs["tenant"] == "clinic"
    # The broker's door knows of a new tenant some seconds later; a device tries again by itself.
    device = Machine(server, theirs["username"], theirs["password"])
    await until(lambda: device.allowed[-1:] == [True])
    crossed = Machine(server, theirs["username"], ours["password"])
    await until(lambda: crossed.allowed[:1] == [False])
    crossed.close()
    for topic, granted in (
        ("hd/v1/home/0A1B2CFFFE0000AB/ack", False),
        ("hd/v1/clinic/0A1B2CFFFE0000AB/ack", True),
    ):
        answers = device.subscribed(topic)
        await until(lambda: bool(answers))  # noqa: B023 - awaited here
        assert answers == [granted]
    device.close()


async def test_a_revoked_device_is_put_out_within_a_minute_and_refused(
    server: RunningServer,
) -> None:
    async with client(server, server.token) as home:
        credentials = await enrolled(home, "lost-device", ADDRESS)
        device = Machine(server, credentials["username"], credentials["password"])
        await until(lambda: device.allowed[-1:] == [True])
        said = await asyncio.to_thread(command, server, "devices", "revoke", "lost-device")
        assert "is revoked" in said
        async with unhurried(60):
            while not (device.lost and device.allowed[-1] is False):  # noqa: ASYNC110 - set by a thread
                await asyncio.sleep(0.1)
        device.close()
        listed = await asyncio.to_thread(command, server, "devices", "list")
        (line,) = [one for one in listed.splitlines() if one.startswith("lost-device")]
        assert line.split("\t")[3] != "-"
        again = await enrolled(home, "lost-device", ADDRESS)
        device = Machine(server, again["username"], again["password"])
        await until(lambda: device.allowed[-1:] == [True])
        device.close()


async def test_no_secret_in_logs_process_list_or_answers(
    server: RunningServer, second: str
) -> None:
    shown: list[str] = []
    async with client(server, server.token) as home:
        device = await enrolled(home, "canary-device", "0A1B2CFFFE0000AC")
        for password in (device["password"], "canary-wrong-device-password"):
            machine = Machine(server, device["username"], password)
            await until(lambda: bool(machine.allowed))  # noqa: B023 - awaited here
            machine.close()
        for method, url, headers, body in (
            ("GET", "Patient/nobody", {}, ""),
            ("GET", f"Patient?_tag={server.token}&nonsense=1", {}, ""),
            ("POST", "Patient", {}, "{"),
            ("PUT", "Patient/x", {}, '{"resourceType":"Patient","id":"x","gender":"no"}'),
            ("GET", "Patient/x", {"authorization": "Bearer canary-unknown-token"}, ""),
            ("GET", "Patient/x", {"authorization": f"Basic {server.token}"}, ""),
            ("GET", f"{server.url}/metrics", {"authorization": "Bearer canary-unknown-token"}, ""),
            ("POST", f"{server.url}/telephony/home/sms", {}, "Body=STOP"),
            ("GET", f"{server.url}/a/canary-unknown-link", {}, ""),
            ("GET", f"{server.url}/health/ready", {}, ""),
        ):
            answer = await home.request(method, url, headers=headers, content=body)
            echoed = answer.text.replace(server.token, "") if "_tag" in url else answer.text
            shown += [echoed, str(answer.headers)]
    shown += [command(server, "settings"), command(server, "status")]
    processes = psutil.Process(server.process.pid).children(recursive=True)
    assert len(processes) > 5
    for one in processes:
        try:
            shown.append(" ".join(one.cmdline()))
        except psutil.NoSuchProcess:
            continue
    logs = [path for path in files_below(server.data) if is_log(path)]
    assert server.process.log in logs
    shown += [path.read_text(errors="replace") for path in logs]
    found = [
        name
        for name, value in secrets(server, second, device["password"]).items()
        if any(value in text for text in shown)
    ]
    assert found == []


def is_log(path: Path) -> bool:
    """Whether the server, its database or its broker writes there what it does; their stores are looked into elsewhere."""
    return "log" in path.name and not {"base", "store", "pg_wal"} & set(path.parts)


def secrets(server: RunningServer, second: str, device: str) -> dict[str, str]:
    """Everything nobody may read anywhere, by name."""
    planted = {name: value for name, value in PLANTED.items() if "canary" in value}
    wrong = ("canary-unknown-token", "canary-wrong-device-password", "canary-unknown-link")
    files = {
        path.name: path.read_text().strip()
        for path in (server.data / "secrets").iterdir()
        if path.is_file() and path.suffix != ".json" and "name" not in path.name
    }
    assert len(files) >= 3
    return {
        **planted,
        **{one: one for one in wrong},
        **database_passwords(server.data),
        **files,
        "administrator": server.token,
        "second administrator": second,
        "device": device,
    }
