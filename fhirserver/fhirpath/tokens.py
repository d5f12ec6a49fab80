"""The words of FHIRPath: text to tokens, in one pass without backtracking.

Spec: https://hl7.org/fhirpath/N1/#syntax, https://hl7.org/fhirpath/N1/grammar.html
"""

import re
from typing import NamedTuple

from fhirserver.fhirpath.errors import UnsupportedError

_TOKEN = re.compile(
    r"""
      (?P<blank>\s+|//[^\n]*|/\*.*?\*/)
    | (?P<temporal>@T\d\d(?::\d\d(?::\d\d(?:\.\d+)?)?)?
        |@\d{4}(?:-\d\d(?:-\d\d)?)?
          (?:T(?:\d\d(?::\d\d(?::\d\d(?:\.\d+)?)?)?(?:Z|[+-]\d\d:\d\d)?)?)?)
    | (?P<number>\d+(?:\.\d+)?)
    | (?P<string>'(?:[^'\\]|\\.)*')
    | (?P<quoted>`(?:[^`\\]|\\.)+`)
    | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<variable>%(?:[A-Za-z_][A-Za-z0-9_]*|`[^`]+`|'[^']+'))
    | (?P<special>\$(?:this|index|total)\b)
    | (?P<symbol>!=|!~|<=|>=|[.|=~<>()\[\]{},+\-*/&])
    """,
    re.VERBOSE | re.ASCII | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|(.))", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "f": "\f"}


class Token(NamedTuple):
    """`kind` is a group of the grammar; `text` is as written."""

    kind: str
    text: str


END = Token("end", "")


def tokens(text: str) -> list[Token]:
    """Return the tokens of `text`, without blanks and comments.

    Raises `UnsupportedError` at the first place that cannot be read.
    """
    found: list[Token] = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None or match.lastgroup is None:
            raise UnsupportedError(f"cannot read {text[position : position + 20]!r}")
        if match.lastgroup != "blank":
            found.append(Token(match.lastgroup, match.group()))
        position = match.end()
    return found


def unquote(text: str) -> str:
    """The content of a string or quoted name, its escapes resolved."""
    return _ESCAPE.sub(_unescape, text[1:-1])


def _unescape(match: re.Match[str]) -> str:
    if match[1] is not None:
        return chr(int(match[1], 16))
    return _ESCAPES.get(match[2], match[2])
