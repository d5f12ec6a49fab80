"""The second place of heads outlives a line that was written half."""

from datetime import UTC, datetime
from pathlib import Path

from fhirserver.auditing.head import Head, Statement
from fhirserver.auditing.heads_export import HeadsDirectory, read_heads

AT = datetime(2026, 1, 1, tzinfo=UTC)


def head(number: int) -> Head:
    says = Statement("log", number, number, bytes(32), number - 1, bytes(32), AT, b"parts")
    return Head(says.to_bytes(), "signed")


def test_what_was_kept_is_read_back(tmp_path: Path) -> None:
    HeadsDirectory(tmp_path).keep([head(1), head(2)])
    assert list(read_heads([tmp_path])) == [head(1), head(2)]
    assert HeadsDirectory(tmp_path).last() == 2


def test_a_torn_line_is_told_and_takes_no_other_with_it(tmp_path: Path) -> None:
    HeadsDirectory(tmp_path).keep([head(1)])
    (file,) = tmp_path.glob("*.jsonl")
    file.write_text(file.read_text() + head(2).line()[:40])
    again = HeadsDirectory(tmp_path)
    assert again.last() == 1
    again.keep([head(2)])
    first, torn, second = read_heads([tmp_path])
    assert (first, second) == (head(1), head(2))
    assert torn.signature == ""
    assert HeadsDirectory(tmp_path).last() == 2


def test_a_statement_from_before_there_were_parts_is_read_as_it_was_signed() -> None:
    old = Statement("log", 1, 1, bytes(32), 0, bytes(32), AT)
    assert b"parts" not in old.to_bytes()
    assert Statement.of(old.to_bytes()) == old
    new = head(1).statement
    assert Statement.of(new.to_bytes()).to_bytes() == new.to_bytes()
