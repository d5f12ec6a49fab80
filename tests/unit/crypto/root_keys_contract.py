"""What every source of root keys must do: a suite for `fhirserver.crypto.root_keys.RootKeys`."""

import pytest

from fhirserver.crypto.envelope import Tampered
from fhirserver.crypto.root_keys import RootKeys, UnusableRootKey

NONCE = bytes(range(12))
KEY = b"k" * 32


class RootKeysContract:
    """Subclass with a fixture `root`."""

    def test_a_key_comes_back_for_its_purpose(self, root: RootKeys) -> None:
        name, wrapped = root.wrap(NONCE, "tenant|1|wrap|1", KEY)
        assert name == root.active
        assert root.unwrap(name, "tenant|1|wrap|1", wrapped) == KEY

    def test_the_key_does_not_stand_in_what_is_wrapped(self, root: RootKeys) -> None:
        _, wrapped = root.wrap(NONCE, "tenant|1|wrap|1", KEY)
        assert KEY not in wrapped

    def test_a_key_comes_back_for_no_other_purpose(self, root: RootKeys) -> None:
        name, wrapped = root.wrap(NONCE, "tenant|1|wrap|1", KEY)
        for purpose in ("tenant|2|wrap|1", "tenant|1|index|1", "tenant|1|wrap|2", ""):
            with pytest.raises(Tampered):
                root.unwrap(name, purpose, wrapped)

    def test_a_flipped_bit_is_noticed(self, root: RootKeys) -> None:
        name, wrapped = root.wrap(NONCE, "p", KEY)
        for at in range(len(wrapped)):
            changed = bytearray(wrapped)
            changed[at] ^= 1
            with pytest.raises(Tampered):
                root.unwrap(name, "p", bytes(changed))

    def test_a_missing_root_key_is_named(self, root: RootKeys) -> None:
        _, wrapped = root.wrap(NONCE, "p", KEY)
        with pytest.raises(UnusableRootKey, match="nowhere"):
            root.unwrap("nowhere", "p", wrapped)
        with pytest.raises(UnusableRootKey, match="nowhere"):
            root.derive("nowhere", "p")

    def test_the_active_key_is_among_the_names(self, root: RootKeys) -> None:
        assert root.active in root.names()

    def test_secrets_are_derived_for_a_purpose(self, root: RootKeys) -> None:
        one = root.derive(root.active, "signing")
        assert len(one) == 32
        assert one == root.derive(root.active, "signing")
        assert one != root.derive(root.active, "other")
