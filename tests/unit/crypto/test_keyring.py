"""The keyring reads what it wrote and refuses what would lock data away."""

import json

import pytest

from fhirserver.crypto.envelope import Tampered
from fhirserver.crypto.keyring import Keyring, UnusableKeyring, create, parse, render

RING = create("k1", bytes(range(32)))
NONCE = bytes(12)


def test_a_ring_is_read_as_it_was_written() -> None:
    assert parse(render(RING)) == RING


def test_a_key_is_unwrapped_for_its_purpose_only() -> None:
    name, wrapped = RING.wrap(NONCE, "tenant|1", b"k" * 32)
    assert RING.unwrap(name, "tenant|1", wrapped) == b"k" * 32
    with pytest.raises(Tampered):
        RING.unwrap(name, "tenant|2", wrapped)


def test_a_missing_root_key_is_named() -> None:
    _, wrapped = RING.wrap(NONCE, "tenant|1", b"k" * 32)
    with pytest.raises(UnusableKeyring, match="'k0'"):
        RING.unwrap("k0", "tenant|1", wrapped)


def test_a_retired_key_still_opens_what_it_wrapped() -> None:
    name, wrapped = RING.wrap(NONCE, "tenant|1", b"k" * 32)
    rotated = Keyring("k2", {"k2": bytes(32), **RING.keys})
    assert rotated.unwrap(name, "tenant|1", wrapped) == b"k" * 32


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"[]",
        b"{}",
        json.dumps({"active": "a", "keys": {}}).encode(),
        json.dumps({"active": "a", "keys": {"a": "short"}}).encode(),
        json.dumps({"active": "a", "keys": {"a": "QUJD"}}).encode(),
    ],
)
def test_an_unusable_document_is_refused(document: bytes) -> None:
    with pytest.raises(UnusableKeyring):
        parse(document)
