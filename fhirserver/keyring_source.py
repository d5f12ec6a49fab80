"""Where the root keys come from: a file, a variable of the environment, or a key management service.

- The file is ``DATA/secrets/keyring.json``, made at the first start. It is read again when a name is asked for that
  it did not have, so that a running server follows a rotation.
- ``KEYRING`` is the same document in the environment, for hosts that hand secrets over that way.
- ``KEYRING_SERVICE`` names a factory (``package.module:name``) that returns a `fhirserver.crypto.root_keys.RootKeys`;
  root keys then never leave the service.
"""

import importlib
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Final, cast

from fhirserver.crypto import keyring
from fhirserver.crypto.envelope import KEY_BYTES
from fhirserver.crypto.keyring import Keyring, UnusableKeyring
from fhirserver.crypto.root_keys import RootKeys, UnusableRootKey
from fhirserver.settings import Settings
from fhirserver.supervisor.secret_files import PRIVATE_DIRECTORY, write_private

_FIRST: Final = "k1"


class FileKeys:
    """The keyring in a file. Implements `fhirserver.crypto.root_keys.RootKeys`."""

    def __init__(self, path: Path) -> None:
        """Read the ring at `path`. Raises `UnusableKeyring`."""
        self.path = path
        self.ring = self._read()

    @property
    def active(self) -> str:
        """The name of the key that wraps what is new."""
        return self.ring.active

    def names(self) -> Sequence[str]:
        """Return the names of the keys."""
        return self.ring.names()

    def wrap(self, nonce: bytes, purpose: str, key: bytes) -> tuple[str, bytes]:
        """Return the name of the active key and `key` wrapped under it."""
        # Rare, and a key that was replaced meanwhile must not wrap anything new.
        self.ring = self._read()
        return self.ring.wrap(nonce, purpose, key)

    def unwrap(self, name: str, purpose: str, wrapped: bytes) -> bytes:
        """Return the key that `wrap` wrapped. Raises `UnusableKeyring`, `Tampered`."""
        if name not in self.ring.keys:
            self.ring = self._read()
        return self.ring.unwrap(name, purpose, wrapped)

    def derive(self, name: str, purpose: str) -> bytes:
        """Return the secret of the key `name` for `purpose`. Raises `UnusableKeyring`."""
        return self.ring.derive(name, purpose)

    def keep(self, ring: Keyring) -> None:
        """Put `ring` in the place of the one in the file, whole or not at all."""
        write_private(self.path, keyring.render(ring).decode())
        self.ring = ring

    def _read(self) -> Keyring:
        try:
            return keyring.parse(self.path.read_bytes())
        except OSError as defect:
            msg = f"{self.path} cannot be read: {type(defect).__name__}"
            raise UnusableKeyring(msg) from defect


def root_keys(settings: Settings) -> RootKeys:
    """Return what `settings` name; the file is made at the first start. Losing these keys is losing the data.

    Raises `UnusableRootKey`.
    """
    path = keyring_file(settings)
    if not (settings.keyring_service or settings.keyring or path.exists()):
        path.parent.mkdir(mode=PRIVATE_DIRECTORY, parents=True, exist_ok=True)
        ring = keyring.create(_FIRST, secrets.token_bytes(KEY_BYTES))
        write_private(path, keyring.render(ring).decode())
    return known_keys(settings)


def known_keys(settings: Settings) -> RootKeys:
    """Return what `settings` name and is there already. Raises `UnusableRootKey`."""
    if settings.keyring_service:
        return _service(settings.keyring_service)
    if settings.keyring:
        return keyring.parse(settings.keyring.encode())
    return FileKeys(keyring_file(settings))


def keyring_file(settings: Settings) -> Path:
    """Return where the file of the keyring is, if there is one."""
    return settings.data / "secrets" / "keyring.json"


def _service(name: str) -> RootKeys:
    module, _, factory = name.partition(":")
    try:
        made = getattr(importlib.import_module(module), factory)()
    except (ImportError, AttributeError, ValueError) as defect:
        msg = f"KEYRING_SERVICE {name} cannot be used: {type(defect).__name__}"
        raise UnusableRootKey(msg) from defect
    return cast("RootKeys", made)
