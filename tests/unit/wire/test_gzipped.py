"""https://www.rfc-editor.org/rfc/rfc1952, and what a bomb meets."""

import gzip

import pytest

from fhirserver.kernel.errors import Malformed, TooLarge
from fhirserver.wire.gzipped import pack, unpack


@pytest.mark.parametrize("content", [b"", b"x", b'{"resourceType":"Patient"}' * 1000])
def test_what_is_packed_unpacks_the_same(content: bytes) -> None:
    assert unpack(pack(content), 1_000_000) == content
    assert unpack(gzip.compress(content), 1_000_000) == content


def test_a_bomb_is_not_unpacked() -> None:
    bomb = gzip.compress(b"\0" * 50_000_000)
    assert len(bomb) < 60_000

    with pytest.raises(TooLarge):
        unpack(bomb, 5_000_000)


def test_the_bound_itself_is_allowed() -> None:
    assert unpack(pack(b"a" * 100), 100) == b"a" * 100
    with pytest.raises(TooLarge):
        unpack(pack(b"a" * 101), 100)


@pytest.mark.parametrize(
    "data",
    [b"", b"plain", pack(b"abc")[:-1], pack(b"abc") + b"x", pack(b"abc") * 2, b"\x1f\x8b"],
)
def test_what_is_not_one_whole_member_is_refused(data: bytes) -> None:
    with pytest.raises(Malformed):
        unpack(data, 100)
