"""`fhirserver evidence`: whoever is handed a document can tell whether it was changed."""

import base64
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from fhirserver.__main__ import app
from fhirserver.command_database import RefusedError
from fhirserver.crypto import keyring
from fhirserver.crypto.signing import SigningKeys
from fhirserver.wire import fhir_json
from fhirserver.wire.canonical_json import canonical

RING = keyring.create("k1", bytes(range(32)))
BUNDLE: dict[str, Any] = {
    "resourceType": "Bundle",
    "type": "document",
    "entry": [
        {"resource": {"resourceType": "Observation", "valueQuantity": {"value": Decimal("62.0")}}}
    ],
}


def _signed(bundle: dict[str, Any]) -> bytes:
    data = base64.b64encode(SigningKeys(RING).sign(canonical(bundle)).encode()).decode()
    return fhir_json.write({**bundle, "signature": {"data": data, "when": "2026-08-01T09:00:00Z"}})


@pytest.fixture
def document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DATA", str(tmp_path))
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "keyring.json").write_bytes(keyring.render(RING))
    path = tmp_path / "evidence.json"
    path.write_bytes(_signed(BUNDLE))
    return path


def test_what_was_signed_is_genuine(document: Path) -> None:
    answer = CliRunner().invoke(app, ["evidence", "verify", str(document)])
    assert answer.exit_code == 0, answer.output
    assert "genuine; signed 2026-08-01T09:00:00Z" in answer.output


def test_white_space_and_order_do_not_matter(document: Path) -> None:
    parsed = fhir_json.read(document.read_bytes())
    document.write_bytes(fhir_json.write_pretty(dict(reversed(parsed.items()))))
    assert CliRunner().invoke(app, ["evidence", "verify", str(document)]).exit_code == 0


@pytest.mark.parametrize(
    ("was", "is_"), [(b"62.0", b"62"), (b"62.0", b"92.0"), (b"document", b"batch")]
)
def test_a_changed_digit_is_found(document: Path, was: bytes, is_: bytes) -> None:
    document.write_bytes(document.read_bytes().replace(was, is_))
    answer = CliRunner().invoke(app, ["evidence", "verify", str(document)])
    assert answer.exit_code == 1
    assert "NOT GENUINE" in answer.output


def test_the_keys_of_another_server_do_not_fit(document: Path, tmp_path: Path) -> None:
    other = tmp_path / "keys.json"
    other.write_text(json.dumps(SigningKeys(keyring.create("k1", bytes(32))).public()))
    answer = CliRunner().invoke(app, ["evidence", "verify", str(document), "--keys", str(other)])
    assert answer.exit_code == 1


def test_published_keys_are_enough(document: Path, tmp_path: Path) -> None:
    printed = CliRunner().invoke(app, ["evidence", "keys"])
    published = tmp_path / "published.json"
    published.write_text(printed.stdout)
    (tmp_path / "secrets" / "keyring.json").unlink()
    answer = CliRunner().invoke(
        app, ["evidence", "verify", str(document), "--keys", str(published)]
    )
    assert answer.exit_code == 0, answer.output
    assert '"d"' not in printed.stdout


def test_a_document_signed_before_the_keys_were_changed_stays_genuine(
    document: Path, tmp_path: Path
) -> None:
    turned = keyring.Keyring("k2", {**RING.keys, "k2": bytes(32)})
    (tmp_path / "secrets" / "keyring.json").write_bytes(keyring.render(turned))
    assert CliRunner().invoke(app, ["evidence", "verify", str(document)]).exit_code == 0


def test_what_carries_no_signature_is_refused(document: Path) -> None:
    document.write_bytes(fhir_json.write(BUNDLE))
    answer = CliRunner().invoke(app, ["evidence", "verify", str(document)])
    assert isinstance(answer.exception, RefusedError)
    assert "no signature" in str(answer.exception)
