"""Character sets: MSH-18 decides, then what the sender is known to write; a guess is told and a lie refused."""

import pytest

from fhirserver.wire.hl7v2.charset import codec_of, decode
from fhirserver.wire.hl7v2.delimiters import NotHl7

NAME = "Müller"


def sent(name: str, codec: str, text: str = NAME) -> bytes:
    return f"MSH|^~\\&|A|||||||||||||||{name}\rPID|||||{text}\r".encode(codec)


@pytest.mark.parametrize(
    ("name", "codec", "text"),
    [
        ("UNICODE UTF-8", "utf-8", "Ngô 東京"),
        ("utf-8", "utf-8", NAME),
        ("8859/1", "iso8859-1", NAME),
        ("ISO-8859-15", "iso8859-15", "10 €"),
        ("8859/5", "iso8859-5", "Иван"),
        ("ISO IR87", "iso2022_jp", "山田"),
        ("GB 18030-2000", "gb18030", "王"),
        ("windows-1252", "cp1252", "“x”"),
        ("8859/1~ISO IR87", "iso8859-1", NAME),
        ("ASCII", "ascii", "Mueller"),
    ],
)
def test_the_named_set_is_read(name: str, codec: str, text: str) -> None:
    found = decode(sent(name, codec, text))
    assert text in found.text
    assert not found.guessed


def test_without_a_name_the_sender_decides() -> None:
    assert NAME in decode(sent("", "utf-8")).text
    found = decode(sent("", "iso8859-1"), "iso8859-1")
    assert (NAME in found.text, found.guessed) == (True, False)


def test_a_guess_is_told() -> None:
    found = decode(sent("", "cp1252"))
    assert (NAME in found.text, found.codec, found.guessed) == (True, "cp1252", True)


@pytest.mark.parametrize(
    "raw",
    [
        sent("KLINGON", "ascii", "x"),
        sent("UNICODE UTF-16", "ascii", "x"),
        sent("ASCII", "utf-8"),
        sent("UNICODE UTF-8", "iso8859-1"),
        sent("", "ascii", "x") + b"\x81",
    ],
)
def test_bytes_that_are_of_no_such_set_are_refused(raw: bytes) -> None:
    with pytest.raises(NotHl7):
        decode(raw)


def test_the_set_of_a_batch_is_that_of_its_messages() -> None:
    assert NAME in decode(b"FHS|^~\\&|\rBHS|^~\\&|\r" + sent("8859/1", "iso8859-1")).text


def test_what_is_no_name_is_unknown() -> None:
    assert codec_of("") is None
    assert codec_of("8859/99") is None
