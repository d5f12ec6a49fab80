"""Lines name each other once, and a receipt is good for its line, its leaves and its tenant only."""

from datetime import UTC, datetime
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from fhirserver.crypto.blind_index import BlindIndex
from fhirserver.kernel.audit import Actor, Happening
from fhirserver.store.audit_line import Line, Witness, decode_line, encode, opened, receipt_of

BLIND = BlindIndex(bytes(32), 1)
ONE, TWO, THREE = (UUID(int=number) for number in (1, 2, 3))
HAPPENING = Happening(7, "read", datetime(2026, 1, 1, tzinfo=UTC), Actor(), patients=frozenset("a"))


def test_a_committed_line_is_named_by_the_next_one_alone() -> None:
    witness = Witness()
    assert witness.taken() == []
    witness.settled(ONE, [], committed=True)
    named = witness.taken()
    assert named == [ONE]
    # Another line begins before this one is settled.
    assert witness.taken() == []
    witness.settled(TWO, named, committed=True)
    assert witness.taken() == [TWO]


def test_whom_an_undone_line_named_is_named_again() -> None:
    witness = Witness()
    witness.settled(ONE, [], committed=True)
    witness.settled(TWO, witness.taken(), committed=False)
    assert witness.taken() == [ONE]


@given(st.lists(st.booleans(), max_size=600))
def test_every_committed_line_is_named_once_however_others_end(ends: list[bool]) -> None:
    witness, named = Witness(), list[UUID]()
    for number, committed in enumerate(ends):
        taken = witness.taken()
        witness.settled(UUID(int=number), taken, committed=committed)
        named += taken if committed else []
    while taken := witness.taken():
        named += taken
    assert sorted(named) == [UUID(int=number) for number, one in enumerate(ends) if one]


def test_a_receipt_is_good_for_its_leaves_and_its_tenant() -> None:
    receipt = receipt_of(BLIND, ONE, [TWO, THREE], b"leaves")
    says = opened(BLIND, receipt, b"leaves")
    assert says is not None
    assert (says.line, list(says.witnessed)) == (ONE, [TWO, THREE])
    assert opened(BLIND, receipt, b"others") is None
    assert opened(BlindIndex(b"x" * 32, 1), receipt, b"leaves") is None
    assert opened(BLIND, receipt[:-1] + bytes([receipt[-1] ^ 1]), b"leaves") is None
    assert opened(BLIND, b"", b"leaves") is None


def test_a_receipt_holds_when_the_index_has_a_new_key() -> None:
    receipt = receipt_of(BLIND, ONE, [], b"leaves")
    assert opened(BlindIndex(b"n" * 32, 2, link=bytes(32)), receipt, b"leaves") is not None


def test_a_line_is_read_as_it_was_written_also_by_an_older_server() -> None:
    line = Line([HAPPENING], [ONE])
    assert decode_line(encode(line)) == line
    assert decode_line(encode([HAPPENING])) == Line([HAPPENING], [])
