"""A program of other people gets in by what the specification says: it knows nothing of us.

Spec: https://hl7.org/fhir/smart-app-launch/STU2.2/
"""

import json
import time
from pathlib import Path

import httpx
import pytest
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from joserfc.jwk import RSAKey

from tests.e2e.conftest import RunningServer, wait_until_refused
from tests.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.slow

REDIRECT = "https://app.example.org/back"
JSON = "application/fhir+json"


def record(server: RunningServer) -> httpx.Client:
    headers = {"authorization": f"Bearer {server.token}", "content-type": JSON}
    return httpx.Client(base_url=f"{server.base}/", headers=headers, timeout=PATIENCE_SECONDS)


def test_a_program_written_with_plain_authlib_gets_a_token_and_reads(
    running_server: RunningServer, tmp_path: Path
) -> None:
    key = RSAKey.generate_key(2048, {"kid": "key-1"})
    public = tmp_path / "jwks.json"
    public.write_text(json.dumps({"keys": [key.as_dict(private=False)]}))
    with record(running_server) as admin:
        made = admin.put("Patient/program", json={"resourceType": "Patient", "id": "program"})
        assert made.status_code in (200, 201), made.text
    command = running_server.operator.command
    printed = command(
        "clients", "add", "Nightly report", "--backend", "--jwks", str(public),
        "--scope", "system/Patient.rs",
    )  # fmt: skip
    client_id = json.loads(printed)["client_id"]
    assert client_id in command("clients", "list")
    configuration = httpx.get(
        f"{running_server.base}/.well-known/smart-configuration", timeout=PATIENCE_SECONDS
    ).json()
    token_url = configuration["token_endpoint"]
    # Authlib means an hour; SMART allows five minutes.
    soon = {"exp": int(time.time()) + 240}
    proof = PrivateKeyJWT(token_url, claims=soon, headers={"kid": "key-1"}, alg="RS384")
    with OAuth2Session(
        client_id,
        key,
        token_endpoint_auth_method=proof,
        scope="system/Patient.rs",
    ) as session:
        session.fetch_token(token_url, grant_type="client_credentials")
        answer = session.get(f"{running_server.base}/Patient/program")
        assert answer.status_code == 200, answer.text
        refused = session.get(f"{running_server.base}/Observation")
        assert refused.status_code == 403
        assert client_id in command("tokens", "list", "--client", client_id)
        command("clients", "disable", client_id)
        wait_until_refused()
        assert session.get(f"{running_server.base}/Patient/program").status_code == 401
