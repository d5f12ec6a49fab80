"""`_filter`: a whole condition written as one expression.

    filter    = test / "not" "(" filter ")" / "(" filter ")" / filter ("and" / "or") filter
    test      = path SP operation SP value
    path      = name / reference "." path / reference "[" filter "]" "." path
    value     = JSON string / characters other than white space, ")" and "]"

``and`` binds closer than ``or``. A name is one of the type's search parameters; `_has:...` may
stand before it. ``not`` is true where the filter inside is not.

Spec: https://hl7.org/fhir/R4/search_filter.html
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from fhirserver.kernel.errors import BadRequest
from fhirserver.search.criterion import AllOf, AnyOf, Criterion, Not
from fhirserver.search.filter_test import OPERATIONS, filter_test
from fhirserver.search.names import MAX_DEPTH, Leaf, Names
from fhirserver.search.refusal import OverBoundError, shown

MAX_LENGTH: Final = 10_000
MAX_NESTING: Final = 30

_NAME_LETTERS: Final = frozenset(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-:"
)


def parse_filter(type_: str, text: str, names: Names) -> Criterion:
    """Return what `text` asks of resources of `type_`. Raises `BadRequest`."""
    if len(text) > MAX_LENGTH:
        raise OverBoundError(f"parameter _filter: longer than {MAX_LENGTH} characters")
    parser = _Parser(text)
    make = parser.any_of(0)
    parser.skip_blanks()
    if parser.at < len(text):
        raise parser.refusal("and, or, or the end")
    return make(type_, names)


# The syntax is read once; what it means depends on the type that the path has led to.
Make = Callable[[str, Names], Criterion]


@dataclass(frozen=True, slots=True)
class _Test:
    """One test, with the path as steps: each a reference and the filter in brackets behind it."""

    steps: tuple[tuple[str, Make | None], ...]
    name: str
    operation: str
    value: str

    def make(self, type_: str, names: Names) -> Criterion:
        return self._from(0, type_, names)

    def _from(self, index: int, type_: str, names: Names) -> Criterion:
        if index == len(self.steps):
            return names.path(type_, self.name, self._leaf(names))
        head, bracket = self.steps[index]

        def inner(target: str, _: str) -> Criterion:
            rest = self._from(index + 1, target, names)
            return rest if bracket is None else AllOf((bracket(target, names), rest))

        link: Leaf = lambda at, name: names.link(at, name, inner)  # noqa: E731
        return names.path(type_, head, link)

    def _leaf(self, names: Names) -> Leaf:
        return lambda at, name: filter_test(at, name, self.operation, self.value, names)


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self.at = 0

    def refusal(self, expected: str) -> BadRequest:
        return BadRequest(
            f"parameter _filter: expected {expected} at character {self.at + 1}, "
            f"found {shown(self._text[self.at : self.at + 20]) or 'the end'}"
        )

    def any_of(self, depth: int) -> Make:
        parts = [self._all_of(depth)]
        while self._word("or"):
            parts.append(self._all_of(depth))
        if len(parts) == 1:
            return parts[0]
        return lambda type_, names: AnyOf(tuple(one(type_, names) for one in parts))

    def _all_of(self, depth: int) -> Make:
        parts = [self._one(depth)]
        while self._word("and"):
            parts.append(self._one(depth))
        if len(parts) == 1:
            return parts[0]
        return lambda type_, names: AllOf(tuple(one(type_, names) for one in parts))

    def _one(self, depth: int) -> Make:
        if depth > MAX_NESTING:
            raise OverBoundError(f"parameter _filter: nested more than {MAX_NESTING} deep")
        self.skip_blanks()
        before = self.at
        if self._word("not"):
            self.skip_blanks()
            if self._peek() == "(":
                inner = self._bracketed("(", ")", depth)
                return lambda type_, names: Not(inner(type_, names))
            self.at = before
        if self._peek() == "(":
            return self._bracketed("(", ")", depth)
        return self._test(depth)

    def _bracketed(self, opening: str, closing: str, depth: int) -> Make:
        self.at += 1
        inner = self.any_of(depth + 1)
        self.skip_blanks()
        if self._peek() != closing:
            raise self.refusal(closing)
        self.at += 1
        return inner

    def _test(self, depth: int) -> Make:
        steps: list[tuple[str, Make | None]] = []
        name = self._name()
        while self._peek() in (".", "["):
            bracket = self._bracketed("[", "]", depth) if self._peek() == "[" else None
            if self._peek() != ".":
                raise self.refusal(".")
            self.at += 1
            steps.append((name, bracket))
            if len(steps) > MAX_DEPTH:
                raise BadRequest(f"parameter _filter: a path has more than {MAX_DEPTH} links")
            name = self._name()
        self.skip_blanks()
        operation = self._token()
        if operation not in OPERATIONS:
            self.at -= len(operation)
            raise self.refusal(f"one of {', '.join(OPERATIONS)}")
        self.skip_blanks()
        return _Test(tuple(steps), name, operation, self._value()).make

    def _name(self) -> str:
        start = self.at
        while self._peek() in _NAME_LETTERS:
            self.at += 1
        if start == self.at:
            raise self.refusal("the name of a search parameter")
        return self._text[start : self.at]

    def _value(self) -> str:
        if self._peek() != '"':
            token = self._token()
            if not token:
                raise self.refusal("a value")
            return token
        try:
            value, self.at = json.JSONDecoder().raw_decode(self._text, self.at)
        except ValueError:
            raise self.refusal("a JSON string") from None
        return str(value)

    def _token(self) -> str:
        start = self.at
        while self._peek() not in ("", ")", "]") and not self._peek().isspace():
            self.at += 1
        return self._text[start : self.at]

    def _word(self, word: str) -> bool:
        self.skip_blanks()
        after = self._text[self.at + len(word) : self.at + len(word) + 1]
        if self._text.startswith(word, self.at) and (not after or after.isspace() or after == "("):
            self.at += len(word)
            return True
        return False

    def skip_blanks(self) -> None:
        while self._peek().isspace():
            self.at += 1

    def _peek(self) -> str:
        return self._text[self.at : self.at + 1]
