"""`fhirserver clients` and `fhirserver tokens`: what an administrator does at a terminal."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from joserfc.jwk import RSAKey
from typer.testing import CliRunner, Result

from fhirserver.__main__ import app
from fhirserver.command_database import RefusedError
from tests.conftest import Database
from tests.integration.smart.app import REDIRECT, App
from tests.integration.smart.conftest import House
from tests.terminal import at_terminal

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Terminal:
    """A terminal of the administrator of one tenant."""

    def __init__(self, tenant: str) -> None:
        self.tenant = tenant

    async def run(self, *words: str) -> Result:
        """Run a command in a thread: it brings an event loop of its own."""
        command = [*words, "--tenant", self.tenant]
        return await asyncio.to_thread(lambda: CliRunner().invoke(app, command))

    async def said(self, *words: str) -> str:
        done = await self.run(*words)
        assert done.exit_code == 0, (done.output, done.exception)
        return done.output

    async def refusal(self, *words: str) -> str:
        done = await self.run(*words)
        assert isinstance(done.exception, RefusedError), done.output
        return str(done.exception)


@pytest_asyncio.fixture(loop_scope="module")
async def terminal(
    house: House, tmp_path: Path, shared_database: Database, monkeypatch: pytest.MonkeyPatch
) -> Terminal:
    """A DATA directory whose secrets are those of the test's database and record."""
    at_terminal(tmp_path, shared_database, monkeypatch)
    return Terminal(dict(await house.record.tenants())[house.tenant])


async def test_a_client_from_its_first_day_to_its_last(house: House, terminal: Terminal) -> None:
    made = json.loads(await terminal.said("clients", "add", "Portal", "--redirect-uri", REDIRECT))
    client = await house.record.authorizations.client(made["client_id"])
    assert client is not None
    portal = App(house.http, client, made["client_secret"], house.people)
    tokens = await portal.tokens(scope="launch/patient offline_access patient/*.rs")
    assert client.id in await terminal.said("clients", "list")
    shown: dict[str, Any] = json.loads(await terminal.said("clients", "show", client.id))
    assert shown["redirect_uris"] == [REDIRECT]
    assert "client_secret" not in shown
    listed = await terminal.said("tokens", "list", "--client", client.id)
    assert "practitioner Practitioner/nina" in listed
    assert tokens["access_token"] not in listed

    rotated = json.loads(await terminal.said("clients", "rotate-secret", client.id))
    assert (await portal.refresh("x")).json()["error"] == "invalid_client"
    portal.secret = rotated["client_secret"]
    assert (await portal.refresh("x")).json()["error"] == "invalid_grant"

    assert "revoked" in await terminal.said("clients", "disable", client.id)
    assert (await portal.read(tokens["access_token"], "Patient/ann")).status_code == 401
    assert json.loads(await terminal.said("clients", "show", client.id))["disabled"]
    await terminal.said("clients", "enable", client.id)
    again = await portal.tokens(scope="launch/patient patient/*.rs")
    await terminal.said("tokens", "revoke", "--account", house.nina.account)
    assert (await portal.read(again["access_token"], "Patient/ann")).status_code == 401


async def test_a_program_is_added_with_its_keys(terminal: Terminal, tmp_path: Path) -> None:
    keys = tmp_path / "jwks.json"
    public = RSAKey.generate_key(2048, {"kid": "1"}).as_dict(private=False)
    keys.write_text(json.dumps({"keys": [public]}))
    made = await terminal.said(
        "clients", "add", "Report", "--backend", "--jwks", str(keys), "--scope", "system/*.rs",
        "--client-id", "report",
    )  # fmt: skip
    assert json.loads(made) == {"client_id": "report"}


async def test_what_cannot_be_done_is_refused_in_words(terminal: Terminal, tmp_path: Path) -> None:
    add = ("clients", "add", "Bad", "--redirect-uri")
    assert "https" in await terminal.refusal(*add, "http://app.example.org/")
    await terminal.said(*add, REDIRECT, "--client-id", "twice")
    assert "already" in await terminal.refusal(*add, REDIRECT, "--client-id", "twice")
    nothing = str(tmp_path / "nothing.json")
    assert "cannot be read" in await terminal.refusal(*add, REDIRECT, "--jwks", nothing)
    for words in (("show",), ("disable",), ("enable",), ("rotate-secret",)):
        assert "nobody" in await terminal.refusal("clients", *words, "nobody")
    assert "say which" in await terminal.refusal("tokens", "revoke")
    assert "no grant" in await terminal.refusal("tokens", "revoke", "--grant", "x")
