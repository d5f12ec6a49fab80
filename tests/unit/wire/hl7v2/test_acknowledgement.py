"""Which answers are owed, in which mode, and how they are written."""

from datetime import UTC, datetime

import pytest

from fhirserver.wire.hl7v2.acknowledgement import (
    UNKNOWN_KEY,
    Code,
    Fault,
    Place,
    Verdict,
    acknowledgement,
    answers,
    asking,
)
from fhirserver.wire.hl7v2.message import Message, Segment, read

NOW = datetime(2026, 8, 1, 9, 30, tzinfo=UTC)


def header(
    accept: str = "", application: str = "", *, kind: str = "ORU^R01^ORU_R01", version: str = "2.6"
) -> Segment:
    return read(
        f"MSH|^~\\&|SIM^0A1B&x^EUI-64|WARD|HDSRV|CLINIC|2026||{kind}|m-1|T|{version}|||{accept}|{application}"
    ).header


def answer(to: Segment | None, code: Code, *faults: Fault) -> Message:
    text = acknowledgement(to, code, faults, control_id="a-1", now=NOW, application="FHIRSERVER")
    return read(text)


@pytest.mark.parametrize(
    ("accept", "application", "verdict", "owed"),
    [
        ("", "", "accepted", ("AA",)),
        ("", "", "error", ("AE",)),
        ("", "", "rejected", ("AR",)),
        ("AL", "NE", "accepted", ("CA",)),
        ("AL", "NE", "error", ("CE",)),
        ("AL", "", "rejected", ("CR",)),
        ("AL", "AL", "accepted", ("CA", "AA")),
        ("AL", "AL", "error", ("CE", "AE")),
        ("NE", "AL", "rejected", ("AR",)),
        ("ER", "NE", "accepted", ()),
        ("ER", "NE", "error", ("CE",)),
        ("SU", "ER", "accepted", ("CA",)),
        ("SU", "ER", "error", ("AE",)),
        ("NE", "NE", "accepted", ()),
        ("NE", "NE", "rejected", ()),
        ("??", "NE", "accepted", ("CA",)),
    ],
)
def test_what_is_owed(
    accept: str, application: str, verdict: Verdict, owed: tuple[Code, ...]
) -> None:
    assert answers(asking(header(accept, application)), verdict) == owed


def test_an_answer_goes_back_to_its_sender_and_names_the_message() -> None:
    found = answer(header(), "AA")
    assert [found.header.raw(number) for number in (3, 4, 5, 6, 9, 10, 11, 12)] == [
        "HDSRV", "CLINIC", "SIM^0A1B&x^EUI-64", "WARD", "ACK^R01^ACK", "a-1", "T", "2.6",
    ]  # fmt: skip
    assert found.header.text(7) == "20260801093000+0000"
    (msa,) = found.all("MSA")
    assert (msa.text(1), msa.text(2)) == ("AA", "m-1")
    assert found.first("ERR") is None


def test_a_refusal_says_where_and_why() -> None:
    found = answer(header(), "AE", Fault(UNKNOWN_KEY, "no such device", Place("OBX", 3, 18)))
    (err,) = found.all("ERR")
    assert [err.raw(number) for number in (1, 2, 4, 8)] == ["", "OBX^3^18", "E", "no such device"]
    assert (err.text(3), err.text(3, 3)) == ("204", "HL70357")


def test_before_2_5_a_refusal_is_one_field_and_a_text() -> None:
    found = answer(
        header(version="2.3.1"), "AE", Fault(UNKNOWN_KEY, "no such device", Place("PID", 1, 3))
    )
    (err,) = found.all("ERR")
    assert err.raw(1) == "PID^1^3^204&Unknown key identifier&HL70357"
    (msa,) = found.all("MSA")
    assert msa.text(3) == "no such device"


def test_what_was_accepted_may_carry_warnings_only() -> None:
    found = answer(header(), "AA", Fault("103", "unknown code", severity="W"), Fault("207", "no"))
    assert [one.text(4) for one in found.all("ERR")] == ["W"]


def test_an_alert_is_answered_in_its_own_kind() -> None:
    alert = header(kind="ORU^R40^ORU_R40")
    assert answer(alert, "AA").header.raw(9) == "ORA^R41^ORA_R41"
    assert answer(alert, "CA").header.raw(9) == "ACK^R40^ACK"


def test_what_could_not_be_read_is_answered_as_far_as_that_goes() -> None:
    found = answer(None, "AR", Fault("100", "the message is empty"))
    (msa,) = found.all("MSA")
    assert (msa.text(1), msa.text(2), found.header.text(3)) == ("AR", None, "FHIRSERVER")


def test_names_beyond_ascii_come_with_their_character_set() -> None:
    to = read("MSH|^~\\&|Küche|W\\F\\1|||2026||ADT^A08|1|P|2.5").header
    found = answer(to, "AA")
    assert (found.header.text(5), found.header.text(6)) == ("Küche", "W|1")
    assert found.header.text(18) == "UNICODE UTF-8"


def test_answers_to_several_messages_of_a_sender_are_each_about_their_own() -> None:
    plain = "MSH|^~\\&|SIM^a&b^EUI-64|WARD|HDSRV|CLINIC|2026||ORU^R01^ORU_R01|m-1|P|2.6"
    other = plain.replace("m-1", "m-2").replace("2026", "2027")
    strange = plain.replace("^", "!")
    written = [answer(read(one).header, "AA") for one in (plain, other, strange, plain)]
    assert [one.segments[1].raw(2) for one in written] == ["m-1", "m-2", "m-1", "m-1"]
    # Whatever the sender's delimiters are, the answer says the same.
    assert {one.header.raw(5) for one in written} == {"SIM^a&b^EUI-64"}
    assert {one.header.raw(7) for one in written} == {"20260801093000+0000"}


def test_names_beyond_ascii_name_their_character_set() -> None:
    sender = "MSH|^~\\&|S\u00dcD|||||||m-1|P|2.6"
    assert answer(read(sender).header, "AA").header.raw(18) == "UNICODE UTF-8"
    assert answer(read(sender.replace("\u00dc", "U")).header, "AA").header.raw(18) == ""
