"""Sealed bytes open only where, and as, they were sealed."""

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from fhirserver.crypto.envelope import Tampered, first_version_place, resource_place, seal, unseal

CIPHER = AESGCM(bytes(32))
NONCE = bytes(12)
PLACE = resource_place(1, "Patient", "ann", 1, 77)


@given(st.binary())
def test_what_was_sealed_is_unsealed(plaintext: bytes) -> None:
    assert unseal(CIPHER, PLACE, seal(CIPHER, NONCE, PLACE, plaintext)) == plaintext


@pytest.mark.parametrize(
    "other",
    [
        resource_place(2, "Patient", "ann", 1, 77),
        resource_place(1, "Person", "ann", 1, 77),
        resource_place(1, "Patient", "bea", 1, 77),
        resource_place(1, "Patient", "ann", 2, 77),
        resource_place(1, "Patient", "ann", 1, 78),
    ],
)
def test_another_tenant_type_id_version_or_key_does_not_open_it(other: bytes) -> None:
    with pytest.raises(Tampered):
        unseal(CIPHER, other, seal(CIPHER, NONCE, PLACE, b"secret"))


@given(st.integers(min_value=0))
def test_any_flipped_bit_is_noticed(where: int) -> None:
    sealed = bytearray(seal(CIPHER, NONCE, PLACE, b"secret"))
    sealed[where // 8 % len(sealed)] ^= 1 << where % 8
    with pytest.raises(Tampered):
        unseal(CIPHER, PLACE, bytes(sealed))


def test_an_empty_envelope_is_no_envelope() -> None:
    with pytest.raises(Tampered):
        unseal(CIPHER, PLACE, b"")


def test_the_place_of_a_first_version_is_put_together_from_what_many_share() -> None:
    shared = first_version_place(3, "Observation")
    assert shared % (b"o-1", 77) == resource_place(3, "Observation", "o-1", 1, 77)
