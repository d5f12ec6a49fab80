"""Batches: each message for itself, in order, with what the envelopes say of them."""

import pytest

from fhirserver.wire.hl7v2.batch import messages_of
from fhirserver.wire.hl7v2.delimiters import NotHl7
from fhirserver.wire.hl7v2.message import read

ONE = "MSH|^~\\&|A|||||||1\rPID|1\r"
TWO = "MSH|^~\\&|A|||||||2\r"


def test_a_bare_message_is_no_batch() -> None:
    found = messages_of(ONE)
    assert (found.messages, found.is_batch, found.is_short) == ((ONE,), False, False)


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
def test_a_run_sheet_is_its_messages(end: str) -> None:
    text = ("FHS|^~\\&|S\rBHS|^~\\&|S||||||||b-1\r" + ONE + TWO + "BTS|2\rFTS|1\r").replace(
        "\r", end
    )
    found = messages_of(text)
    assert [read(one).header.text(10) for one in found.messages] == ["1", "2"]
    assert (found.is_batch, found.told, found.is_short) == (True, 2, False)
    assert found.header is not None
    assert found.header.header.text(11) == "b-1"


def test_a_trailer_that_counts_otherwise_is_noticed() -> None:
    assert messages_of("BHS|^~\\&|\r" + ONE + "BTS|7\r").is_short
    assert messages_of("BHS|^~\\&|\r" + ONE + "BTS|many\r").told is None


def test_several_messages_need_no_envelope() -> None:
    assert len(messages_of(ONE + TWO).messages) == 2


def test_an_empty_batch_is_one() -> None:
    found = messages_of("BHS|^~\\&|\rBTS|0\r")
    assert (found.messages, found.is_batch) == ((), True)


@pytest.mark.parametrize("text", ["", "\r", "PID|1\r", "BTS|1\r", "BHS|^~\\&|\rPID|1\r", "BHS|0"])
def test_what_is_no_batch_is_refused(text: str) -> None:
    with pytest.raises(NotHl7):
        messages_of(text)
