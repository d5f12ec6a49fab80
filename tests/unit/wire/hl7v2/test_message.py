"""ER7 text: what was printed is read back, whatever it holds; what is no HL7 is refused and never believed."""

import hl7
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhirserver.wire.hl7v2.building import (
    NULL,
    Components,
    Null,
    Repeated,
    components,
    repeated,
    segment,
    subcomponents,
    text_of,
)
from fhirserver.wire.hl7v2.delimiters import STANDARD, Delimiters, NotHl7
from fhirserver.wire.hl7v2.escape import escape, unescape
from fhirserver.wire.hl7v2.message import Message, read

HEADER = segment("MSH", {3: "SIM", 9: components("ORU", "R01", "ORU_R01"), 10: "1", 12: "2.6"})
# Lone surrogates are no text and cannot be sent; anything else can.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
PLAIN = st.text("abcXYZ 0189.-_äß€", min_size=1, max_size=12)


def message(*segments: str) -> Message:
    return read(text_of([HEADER, *segments]))


@given(TEXTS)
def test_a_text_comes_back_as_it_was_written(text: str) -> None:
    found = message(segment("NTE", {3: text, 4: "x"})).first("NTE")
    assert found is not None
    assert (found.text(3) or "") == text
    assert found.field(3).is_null is False
    assert found.text(4) == "x"


@given(
    st.lists(
        st.lists(st.lists(TEXTS, min_size=1, max_size=3), min_size=1, max_size=4),
        min_size=1,
        max_size=3,
    )
)
def test_every_part_comes_back_where_it_was(field: list[list[list[str]]]) -> None:
    value = repeated(*(components(*(subcomponents(*parts) for parts in one)) for one in field))
    found = message(segment("PID", {3: value})).first("PID")
    assert found is not None
    sent = [one for one in field if any(text for parts in one for text in parts)]
    seen = found.field(3).repetitions()
    assert len(seen) == len(sent)
    for one, part in zip(sent, seen, strict=True):
        for number, texts in enumerate(one, 1):
            for place, text in enumerate(texts, 1):
                assert (part.text(number, place) or "") == text


@given(st.lists(st.tuples(PLAIN, PLAIN, PLAIN), min_size=1, max_size=5))
def test_another_reader_sees_the_same(rows: list[tuple[str, str, str]]) -> None:
    rows_written = (segment("NK1", {1: one, 2: components(two, three)}) for one, two, three in rows)
    # The other reader loses blanks at the end of a message.
    text = text_of([HEADER, *rows_written, "ZZZ|1"])
    theirs = hl7.parse(text)
    ours = list(read(text).all("NK1"))
    for number, (one, two, three) in enumerate(rows):
        assert str(theirs.segments("NK1")[number][1]) == one == ours[number].text(1)
        assert str(theirs.segments("NK1")[number][2][0][1][0]) == three == ours[number].text(2, 2)
        assert ours[number].text(2) == two


def test_null_is_not_absent_and_absent_is_not_null() -> None:
    found = message(segment("PID", {5: NULL, 6: components("a", NULL), 7: '""'})).first("PID")
    assert found is not None
    assert (found.text(5), found.field(5).is_null) == ("", True)
    assert (found.text(6), found.text(6, 2), found.text(6, 3)) == ("a", "", None)
    assert (found.text(8), found.field(8).is_null) == (None, False)
    assert (found.text(7), found.field(7).is_null) == ('""', False)


def test_what_is_asked_for_deeper_than_it_was_sent_is_its_first_part() -> None:
    found = read("MSH|^~\\&|\rPID|||a&b^c~d\r").first("PID")
    assert found is not None
    assert [found.text(3), found.text(3, 1, 2), found.text(3, 2), found.text(3, 2, 1)] == [
        "a",
        "b",
        "c",
        "c",
    ]
    assert [found.text(3, 2, 2), found.text(3, 9), found.text(9, 9)] == [None, None, None]
    assert [one.raw for one in found.field(3).repetitions()] == ["a&b^c", "d"]
    assert found.field(3).child(1).children() == 2


def test_a_sender_names_its_own_delimiters() -> None:
    found = read("MSH$*!?%$\rPID$$$1*2!3*4%5$a?S?b\r")
    assert found.delimiters == Delimiters("$", "*", "!", "?", "%")
    pid = found.first("PID")
    assert pid is not None
    assert [one.text(2) for one in pid.field(3).repetitions()] == ["2", "4"]
    assert pid.field(3).repetitions()[1].text(2, 2) == "5"
    assert pid.text(4) == "a*b"


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
def test_any_line_end_ends_a_segment(end: str) -> None:
    text = end.join(["MSH|^~\\&|a", "PID|1", "", "PV1|1|I"]) + end
    assert [one.id for one in read(text).segments] == ["MSH", "PID", "PV1"]


def test_a_line_feed_inside_a_text_stays_in_it() -> None:
    found = read("MSH|^~\\&|a\rNTE|1||first\nsecond\r").first("NTE")
    assert found is not None
    assert found.text(3) == "first\nsecond"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\r\r",
        "MSH",
        "MSH|",
        "MSH||",
        "MSH|0",
        "MSH|^|||||||^A|||2.2\r^AA",
        "MSH|^^\\&|",
        "MSH|^~\\^|",
        "MSH|^~\\&#?|",
        "MSHA^~\\&A",
        "MSH^~\\&",
        "msh|^~\\&|",
        "PID|1\rMSH|^~\\&|",
        "MSH|^~\\&|a\rMSH|^~\\&|b",
        "MSH|^~\\&|a\rPIDx|1",
        "<ORU_R01 xmlns='urn:hl7-org:v2xml'/>",
        "GET / HTTP/1.1",
        "\x00" * 100,
    ],
)  # fmt: skip
def test_what_is_no_message_is_refused(text: str) -> None:
    with pytest.raises(NotHl7) as refused:
        read(text)
    assert refused.value.reason


@given(st.text("MSHPID|^~\\&\r\n\x0b\x1c0aé", max_size=80))
def test_anything_is_read_or_refused(text: str) -> None:
    for start in ("", "MSH|^~\\&|"):
        try:
            found = read(start + text)
        except NotHl7:
            continue
        for one in found.segments:
            for number in range(1, one.count + 2):
                one.text(number)
                one.field(number).whole()


@given(st.text("\\.XHNFSTREabr019spzkié^", max_size=25))
def test_no_escape_sequence_is_too_much(text: str) -> None:
    unescape(text, STANDARD)
    assert unescape(escape(text, STANDARD), STANDARD) == text


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        ("a\\F\\b\\S\\c\\T\\d\\R\\e\\E\\f", "a|b^c&d~e\\f"),
        ("\\H\\bold\\N\\ plain", "bold plain"),
        ("one\\.br\\two\\.sp2\\three", "one\ntwo\n\nthree"),
        ("\\.in+4\\indented\\.sk3\\.", "indented   ."),
        ("caf\\XC3A9\\", "café"),
        ("\\X0D0A\\", "\r\n"),
        ("C:\\data\\file", "C:\\data\\file"),
        ("a\\b", "a\\b"),
        ("\\Zlocal\\", "\\Zlocal\\"),
        ("\\.sp999999\\", "\\.sp999999\\"),
        ("\\.spq\\", "\\.spq\\"),
        ("\\XFF\\", "\\XFF\\"),
        ("\\\\", "\\\\"),
        ("\\F\\\\F\\", "||"),
    ],
)  # fmt: skip
def test_escape_sequences_mean_what_the_standard_says_and_the_rest_stays(
    sent: str, meant: str
) -> None:
    assert unescape(sent, STANDARD) == meant


def test_bytes_of_a_sequence_are_of_the_character_set_of_the_message() -> None:
    assert unescape("caf\\XE9\\", STANDARD, "iso8859-1") == "café"


def test_nothing_empty_stands_at_the_end() -> None:
    value = components("a", subcomponents("b", None, ""), None, NULL, None)
    assert segment("PID", {3: value, 9: None, 30: ""}) == 'PID|||a^b^^""'
    assert segment("PID", {3: Repeated(("a", Components(("b", None)), None))}) == "PID|||a~b"
    assert segment("MSH", {3: "x"}) == "MSH|^~\\&|x"
    assert segment("BTS", {}) == "BTS"
    assert Null.NULL is NULL
