"""The black-box tester of SMART App Launch finds nothing wrong with this server."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from joserfc.jwk import ECKey

from tests.e2e.conftest import RunningServer
from tests.e2e.test_smart_clients import REDIRECT, record
from tests.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.slow

PASSWORD = "three quiet lamps"


@pytest.fixture(scope="module")
def prepared(
    running_server: RunningServer, tmp_path_factory: pytest.TempPathFactory
) -> tuple[list[str], dict[str, str]]:
    """A person with a record, an app with a secret, a program: as options and environment of the tester."""
    directory = tmp_path_factory.mktemp("keys")
    key = ECKey.generate_key("P-384", {"kid": "key-1"})
    private, public = directory / "private.json", directory / "public.json"
    private.write_text(json.dumps(key.as_dict(private=True)))
    public.write_text(json.dumps({"keys": [key.as_dict(private=False)]}))
    with record(running_server) as admin:
        made = admin.put("Patient/tested", json={"resourceType": "Patient", "id": "tested"})
        assert made.status_code in (200, 201), made.text
    command = running_server.operator.command
    app = _json(command("clients", "add", "Tester", "--redirect-uri", REDIRECT))
    program = _json(
        command(
            "clients", "add", "Program", "--backend", "--jwks", str(public),
            "--scope", "system/*.rs",
        )
    )  # fmt: skip
    printed = command(
        "accounts", "add", "tess", "--name", "Tess", "--role", "patient:Patient/tested"
    )
    _set_password(running_server, printed.splitlines()[1].strip())
    options = [
        "--base", running_server.base, "--client-id", app["client_id"], "--redirect-uri", REDIRECT,
        "--login", "tess", "--backend-client", program["client_id"], "--backend-key", str(private),
    ]  # fmt: skip
    return options, {"SMART_SECRET": app["client_secret"], "SMART_PASSWORD": PASSWORD}


def test_nothing_is_wrong_with_this_server(
    prepared: tuple[list[str], dict[str, str]], tmp_path: Path
) -> None:
    options, environment = prepared
    report = tmp_path / "report.json"
    done = subprocess.run(
        [sys.executable, "-m", "conformance.smart", *options, "--report", str(report)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    results = {one["name"]: one for one in json.loads(report.read_text())}
    assert {name: one["said"] for name, one in results.items() if one["outcome"] != "passed"} == {}
    assert len(results) >= 22
    assert done.returncode == 0, done.stdout


def test_it_finds_what_is_wrong_with_another() -> None:
    """No authorization server at all, and nobody there."""
    done = subprocess.run(
        [sys.executable, "-m", "conformance.smart", "--base", "http://127.0.0.1:9/fhir"],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 2, done.stdout


def _json(text: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text)
    return found


def _set_password(server: RunningServer, code: str) -> None:
    """Fill in the page on which somebody new chooses a password."""
    from html.parser import HTMLParser

    hidden: dict[str, str] = {}

    class Fields(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            known = {name: value or "" for name, value in attrs}
            if tag == "input" and known.get("type") == "hidden":
                hidden[known["name"]] = known.get("value", "")

    with httpx.Client(base_url=server.url, timeout=PATIENCE_SECONDS) as browser:
        Fields().feed(browser.get("/auth/start?tenant=home").text)
        filled = {**hidden, "code": code, "new": PASSWORD, "again": PASSWORD}
        answer = browser.post("/auth/start", data=filled)
        assert answer.status_code in (200, 302, 303), answer.text
