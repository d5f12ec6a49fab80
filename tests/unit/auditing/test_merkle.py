"""The tree is that of RFC 9162: its own figures, and another implementation."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymerkle import InmemoryTree

from fhirserver.auditing.merkle import (
    EMPTY_ROOT,
    Frontier,
    cut,
    leaf_hash,
)


def root(leaves: list[bytes]) -> bytes:
    return Frontier().plus(leaves).root


# From the test vectors of the certificate-transparency reference implementation.
ENTRIES = [
    b"", b"\x00", b"\x10", b" !", b"01", b"@ABC", b"PQRSTUVW", b"`abcdefghijklmno",
]  # fmt: skip
ROOTS = {
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}


def test_roots_are_those_of_the_reference() -> None:
    leaves = [leaf_hash(one) for one in ENTRIES]
    assert EMPTY_ROOT == root([]) == sha256(b"").digest()
    for size, expected in ROOTS.items():
        assert root(leaves[:size]).hex() == expected


def test_another_implementation_agrees() -> None:
    other, leaves = InmemoryTree(algorithm="sha256"), []
    for number in range(130):
        entry = b"entry %d" % number
        other.append_entry(entry)
        leaves.append(leaf_hash(entry))
        assert root(leaves) == other.get_root()


@given(st.lists(st.binary(max_size=8), max_size=40), st.lists(st.binary(max_size=8), max_size=40))
def test_going_on_from_a_frontier_is_the_same_as_starting_anew(
    first: list[bytes], more: list[bytes]
) -> None:
    one, two = [leaf_hash(x) for x in first], [leaf_hash(x) for x in more]
    kept = Frontier().plus(one)
    again = Frontier.of(kept.size, kept.to_bytes()).plus(two)
    assert again.root == root(one + two)
    assert again.size == len(first) + len(more)


@pytest.mark.parametrize(("size", "run"), [(1, b""), (3, bytes(32)), (2, bytes(33))])
def test_a_frontier_of_another_size_is_refused(size: int, run: bytes) -> None:
    with pytest.raises(ValueError, match="subtrees"):
        Frontier.of(size, run)


def test_a_part_of_a_hash_is_refused() -> None:
    with pytest.raises(ValueError, match="not a number of hashes"):
        cut(bytes(31))
