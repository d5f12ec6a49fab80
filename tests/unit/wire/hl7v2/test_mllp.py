"""MLLP frames: the same in any chunking, whatever stands between them, however long somebody makes them."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhirserver.wire.hl7v2.mllp import Found, Frame, FrameReader, Stray, TooLong, framed

CONTENT = st.binary(max_size=60).filter(lambda one: b"\x1c" not in one and b"\x0b" not in one)
LIMIT = 50


def read(data: bytes, cuts: list[int], limit: int = 1000) -> list[Found]:
    reader = FrameReader(limit)
    found: list[Found] = []
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    for start, end in itertools.pairwise(places):
        found += reader.feed(data[start:end])
    return found


@given(st.lists(CONTENT, max_size=6), st.lists(st.integers(0, 10_000), max_size=20))
def test_messages_come_out_as_they_went_in(contents: list[bytes], cuts: list[int]) -> None:
    assert read(b"".join(map(framed, contents)), cuts) == [Frame(one) for one in contents]


@given(
    st.lists(st.sampled_from([b"\x0b", b"\x1c", b"\r", b"\n", b"MSH", b"x" * 20, b"\x0bMSH", b"\x1c\r"]), max_size=30),
    st.lists(st.integers(0, 10_000), max_size=20),
)  # fmt: skip
def test_the_chunking_changes_nothing(parts: list[bytes], cuts: list[int]) -> None:
    data = b"".join(parts)
    whole = read(data, [], LIMIT)
    assert read(data, cuts, LIMIT) == whole
    assert read(data, list(range(len(data))), LIMIT) == whole
    assert all(len(one.content) <= LIMIT for one in whole if isinstance(one, Frame))


@pytest.mark.parametrize("between", [b"", b"\r", b"\r\n", b"\n\n\r"])
def test_line_ends_between_frames_are_nothing(between: bytes) -> None:
    data = b"\x0bone\x1c" + between + b"\x0btwo\x1c\r"
    assert read(data, []) == [Frame(b"one"), Frame(b"two")]


def test_a_frame_is_there_before_the_carriage_return_behind_it() -> None:
    assert FrameReader(10).feed(b"\x0bone\x1c") == [Frame(b"one")]


def test_what_is_in_no_frame_is_counted() -> None:
    reader = FrameReader(100)
    assert reader.feed(b"GET / HTTP/1.1\r\n\r\n") == []
    assert reader.stray == 14
    assert reader.feed(b"\x0bone\x1c\r") == [Stray(14), Frame(b"one")]
    assert reader.stray == 0


def test_a_frame_that_never_ended_does_not_take_the_next_with_it() -> None:
    data = b"\x0bMSH|lost" + framed(b"MSH|kept")
    assert read(data, []) == [Stray(8), Frame(b"MSH|kept")]


def test_a_vertical_tab_in_a_text_is_part_of_it() -> None:
    assert read(framed(b"MSH|a\x0bb"), []) == [Frame(b"MSH|a\x0bb")]


def test_too_long_a_frame_is_told_once_and_skipped() -> None:
    data = framed(b"x" * (LIMIT + 1)) + framed(b"y" * LIMIT)
    assert read(data, [], LIMIT) == [TooLong(), Frame(b"y" * LIMIT)]
    reader = FrameReader(LIMIT)
    reader.feed(b"\x0b" + b"x" * 10_000)
    assert reader.is_inside
    assert len(reader._held) == 0
