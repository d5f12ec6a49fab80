import struct

import pytest

from conformance.load.raw_copy import split_rows

HEADER = b"PGCOPY\n\xff\r\n\x00" + struct.pack("!ii", 0, 0)


def row(*values: bytes | None) -> bytes:
    fields = [b"\xff\xff\xff\xff" if v is None else struct.pack("!i", len(v)) + v for v in values]
    return struct.pack("!h", len(values)) + b"".join(fields)


def test_rows_are_cut_where_they_end() -> None:
    rows = [row(b"abc", None), row(b"", b"\xff\xff"), row(None, None)]
    assert list(split_rows(HEADER + b"".join(rows) + b"\xff\xff")) == rows


def test_no_rows() -> None:
    assert list(split_rows(HEADER + b"\xff\xff")) == []


def test_something_else_is_refused() -> None:
    with pytest.raises(ValueError, match="binary"):
        list(split_rows(b"1\t2\n"))
