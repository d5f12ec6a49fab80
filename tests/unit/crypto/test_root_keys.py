"""Every source of root keys keeps the contract: a file, the environment, a key management service."""

import hashlib
import hmac
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from fhirserver.crypto import envelope, keyring
from fhirserver.crypto.keyring import UnusableKeyring
from fhirserver.crypto.root_keys import RootKeys, UnusableRootKey
from fhirserver.crypto.signing import SigningKeys
from fhirserver.keyring_source import FileKeys, keyring_file, known_keys, root_keys
from fhirserver.settings import Settings
from tests.unit.crypto.root_keys_contract import KEY, NONCE, RootKeysContract


class FakeService:
    """A key management service: it shows no key, and draws its nonces itself."""

    def __init__(self) -> None:
        self._keys = {"arn:key/1": hashlib.sha256(b"one").digest()}
        self._drawn = 0

    @property
    def active(self) -> str:
        return "arn:key/1"

    def names(self) -> Sequence[str]:
        return tuple(self._keys)

    def wrap(self, nonce: bytes, purpose: str, key: bytes) -> tuple[str, bytes]:
        self._drawn += 1
        own = self._drawn.to_bytes(12, "big")
        return self.active, envelope.seal(
            AESGCM(self._keys[self.active]), own, purpose.encode(), key
        )

    def unwrap(self, name: str, purpose: str, wrapped: bytes) -> bytes:
        return envelope.unseal(AESGCM(self._key(name)), purpose.encode(), wrapped)

    def derive(self, name: str, purpose: str) -> bytes:
        return hmac.digest(self._key(name), purpose.encode(), "sha256")

    def _key(self, name: str) -> bytes:
        if name not in self._keys:
            raise UnusableRootKey(f"the service has no key {name}")
        return self._keys[name]


def settings(data: Path, **more: str) -> Settings:
    return Settings.from_environment({"DATA": str(data), **more})


class TestFile(RootKeysContract):
    @pytest.fixture
    def root(self, tmp_path: Path) -> RootKeys:
        return root_keys(settings(tmp_path))


class TestEnvironment(RootKeysContract):
    @pytest.fixture
    def root(self, tmp_path: Path) -> RootKeys:
        document = keyring.render(keyring.create("e1", bytes(range(32)))).decode()
        found = root_keys(settings(tmp_path, KEYRING=document))
        assert not keyring_file(settings(tmp_path)).exists()
        return found


class TestService(RootKeysContract):
    @pytest.fixture
    def root(self, tmp_path: Path) -> RootKeys:
        return root_keys(settings(tmp_path, KEYRING_SERVICE=f"{__name__}:FakeService"))


def test_the_file_is_private_and_made_once(tmp_path: Path) -> None:
    first = root_keys(settings(tmp_path))
    path = keyring_file(settings(tmp_path))
    assert path.stat().st_mode & 0o777 == 0o600
    name, wrapped = first.wrap(NONCE, "p", KEY)
    assert root_keys(settings(tmp_path)).unwrap(name, "p", wrapped) == KEY


def test_a_running_process_follows_a_rotation_in_the_file(tmp_path: Path) -> None:
    running, command = root_keys(settings(tmp_path)), root_keys(settings(tmp_path))
    assert isinstance(command, FileKeys)
    command.keep(command.ring.plus("k2", bytes(32)))
    name, wrapped = command.wrap(NONCE, "p", KEY)
    assert name == "k2"
    assert running.unwrap("k2", "p", wrapped) == KEY
    # What it wraps itself is wrapped by the new key as well.
    assert running.wrap(NONCE, "p", KEY)[0] == "k2"


def test_a_missing_file_is_not_made_by_who_only_looks(tmp_path: Path) -> None:
    with pytest.raises(UnusableRootKey):
        known_keys(settings(tmp_path))


@pytest.mark.parametrize("name", ["nowhere:factory", "json", "json:nothing"])
def test_an_unusable_service_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UnusableRootKey, match="KEYRING_SERVICE"):
        root_keys(settings(tmp_path, KEYRING_SERVICE=name))


def test_a_refused_document_is_not_quoted(tmp_path: Path) -> None:
    secret = "c2VjcmV0LXNlY3JldC1zZWNyZXQ"
    with pytest.raises(UnusableKeyring) as refusal:
        root_keys(
            settings(tmp_path, KEYRING=json.dumps({"active": "a", "keys": {"a": secret + "!"}}))
        )
    assert secret not in str(refusal.value)


def test_only_a_retired_root_key_can_be_taken_away() -> None:
    ring = keyring.create("k1", bytes(32)).plus("k2", bytes(range(32)))
    assert ring.active == "k2"
    assert ring.without("k1").names() == ("k2",)
    with pytest.raises(UnusableKeyring):
        ring.without("k2")
    with pytest.raises(UnusableKeyring):
        ring.plus("k1", bytes(32))


def test_a_service_can_sign() -> None:
    keys = SigningKeys(FakeService())
    assert len(keys.public()["keys"]) == 1
