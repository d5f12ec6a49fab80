"""The second place of signed heads: a file of lines in a directory, best on another machine's disk, or standard output.

A file per day, only ever appended to, flushed to the disk before the next batch is sealed.
"""

import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TextIO

from fhirserver.auditing.head import Head, NotAHeadError

_PATTERN = "heads-*.jsonl"


class HeadsDirectory:
    """Keeps heads in files of a directory, which is made when missing."""

    def __init__(self, directory: Path) -> None:
        """Keep them in `directory`."""
        self._directory = directory
        self._last: int | None = None

    def last(self) -> int:
        """Return the number of the last head there is, 0 without one. Raises `OSError`."""
        if self._last is None:
            self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._last = max(map(_number_of, read_heads([self._directory])), default=0)
        return self._last

    def keep(self, heads: Sequence[Head]) -> None:
        """Append `heads`. Raises `OSError`."""
        by_file: dict[Path, list[Head]] = {}
        for head in heads:
            name = f"heads-{head.statement.at:%Y%m%d}.jsonl"
            by_file.setdefault(self._directory / name, []).append(head)
        for path, same in by_file.items():
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                end = os.fstat(descriptor).st_size
                torn = end > 0 and os.pread(descriptor, 1, end - 1) != b"\n"
                lines = "".join(one.line() + "\n" for one in same)
                os.write(descriptor, ("\n" * torn + lines).encode())
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        self._last = heads[-1].statement.number


class HeadsStream:
    """Prints heads, for whoever collects the output of the process."""

    def __init__(self, stream: TextIO = sys.stdout) -> None:
        """Print to `stream`."""
        self._stream = stream
        self._last: int | None = None

    def last(self) -> int:
        """Return the number of the last head printed."""
        return self._last or 0

    def keep(self, heads: Sequence[Head]) -> None:
        """Print `heads`, one line of JSON each."""
        for head in heads:
            print(json.dumps({"auditHead": json.loads(head.line())}), file=self._stream, flush=True)
        self._last = heads[-1].statement.number


def read_heads(paths: Iterable[Path]) -> Iterator[Head]:
    """Yield the heads of files, and of the files of directories. Raises `OSError`.

    What is no line of heads (written half when the machine stopped, say) is yielded as one that says nothing.
    """
    for path in paths:
        for file in sorted(path.glob(_PATTERN)) if path.is_dir() else [path]:
            with file.open(encoding="utf-8") as lines:
                for line in lines:
                    if line.strip():
                        yield _head_of(line)


def _head_of(line: str) -> Head:
    try:
        return Head.of_line(line)
    except NotAHeadError:
        return Head(line.encode(), "")


def _number_of(head: Head) -> int:
    try:
        return head.statement.number
    except NotAHeadError:
        return 0
