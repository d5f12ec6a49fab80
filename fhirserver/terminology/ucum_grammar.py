"""Reads a UCUM code into its factors.

    main-term  = ["/"] term
    term       = component {("." | "/") component}
    component  = (annotatable | integer | "(" main-term ")") [annotation] | annotation
    annotatable = symbol [["+" | "-"] digits]

A symbol is not yet split into prefix and atom here. Annotations carry no meaning and are dropped.
The leading division inside parentheses is more than the standard's grammar allows; the standard's
own table and examples use it.

Spec: https://ucum.org/ucum#section-Full-and-Limited-Conformance
"""

import re
from dataclasses import dataclass
from typing import Final

MAX_LENGTH: Final = 200  # characters of a code; the longest in use have about 40
MAX_DEPTH: Final = 10  # parentheses in parentheses
MAX_EXPONENT: Final = 300  # 10*-23 is in daily use, 10*301 is not

_NUMBER: Final = re.compile(r"[0-9]++(?![*^])")
_SYMBOL: Final = re.compile(r"10[*^]|(?:[A-Za-z_%'\"]|\[[!-Z\\^-z|~]*\])+")
_EXPONENT: Final = re.compile(r"[+-]?[0-9]+")
_ANNOTATION: Final = re.compile(r"\{[!-z|~]*\}")


class InvalidUnitError(ValueError):
    """Not a UCUM code; the message says what is wrong, without quoting more than a symbol."""


@dataclass(frozen=True, slots=True)
class Factor:
    """`symbol` to the power of `exponent`; a bare integer is its digits to the power of ±1."""

    symbol: str
    exponent: int


def parse(code: str) -> tuple[Factor, ...]:
    """Return the factors of `code` in order. Raises `InvalidUnitError`."""
    if not code or len(code) > MAX_LENGTH:
        message = f"a unit code has 1 to {MAX_LENGTH} characters"
        raise InvalidUnitError(message)
    reader = _Reader(code)
    reader.main_term(1, 0)
    if reader.at != len(code):
        raise reader.unexpected()
    return tuple(reader.factors)


class _Reader:
    """Recursive descent; `at` is the position, `factors` what has been read."""

    def __init__(self, code: str) -> None:
        self.code = code
        self.at = 0
        self.factors: list[Factor] = []

    def main_term(self, sign: int, depth: int) -> None:
        if self._take("/"):
            self._component(-sign, depth)
        else:
            self._component(sign, depth)
        while True:
            if self._take("."):
                self._component(sign, depth)
            elif self._take("/"):
                self._component(-sign, depth)
            else:
                return

    def _component(self, sign: int, depth: int) -> None:
        if self._take("("):
            if depth >= MAX_DEPTH:
                message = f"more than {MAX_DEPTH} parentheses in one another"
                raise InvalidUnitError(message)
            self.main_term(sign, depth + 1)
            if not self._take(")"):
                raise self.unexpected()
            self._match(_ANNOTATION)
            return
        if self._match(_ANNOTATION):
            return
        if number := self._match(_NUMBER):
            self.factors.append(Factor(number, sign))
        elif symbol := self._match(_SYMBOL):
            self.factors.append(Factor(symbol, sign * self._exponent()))
        else:
            raise self.unexpected()
        self._match(_ANNOTATION)

    def _exponent(self) -> int:
        text = self._match(_EXPONENT)
        if not text:
            return 1
        if len(text) > 4 or abs(int(text)) > MAX_EXPONENT:
            message = f"an exponent beyond {MAX_EXPONENT}"
            raise InvalidUnitError(message)
        return int(text)

    def _take(self, character: str) -> bool:
        if self.code.startswith(character, self.at):
            self.at += 1
            return True
        return False

    def _match(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self.code, self.at)
        if found is None:
            return ""
        self.at = found.end()
        return found.group()

    def unexpected(self) -> InvalidUnitError:
        if self.at >= len(self.code):
            return InvalidUnitError("it ends too early")
        return InvalidUnitError(f"unexpected {self.code[self.at]!r} at character {self.at + 1}")
