"""The little language of `_text` and `_content`: words, "phrases", and, or, not, parentheses.

Words side by side must all be there. ``and`` and ``or`` are also understood in capitals; ``and``
binds closer.

Spec: https://hl7.org/fhir/R4/search.html#content
"""

from typing import Final, Literal

from fhirserver.kernel.errors import BadRequest
from fhirserver.search.criterion import AllOf, AnyOf, Criterion, FullText, Not
from fhirserver.search.full_text import words
from fhirserver.search.refusal import OverBoundError

MAX_WORDS: Final = 50
MAX_LENGTH: Final = 2000
MAX_NESTING: Final = 20

Param = Literal["_text", "_content"]


def parse_full_text(param: Param, text: str) -> Criterion:
    """Return what `text` asks of the words of a resource. Raises `BadRequest`."""
    if len(text) > MAX_LENGTH:
        raise OverBoundError(f"parameter {param}: longer than {MAX_LENGTH} characters")
    tokens = _tokens(text)
    if len(tokens) > 2 * MAX_WORDS:
        raise OverBoundError(f"parameter {param}: more than {MAX_WORDS} words")
    parser = _Parser(param, tokens)
    found = parser.any_of(0)
    if not parser.done:
        raise parser.refusal()
    return found


def _tokens(text: str) -> list[str]:
    """Cut into words, parentheses and phrases (which keep their opening quotation mark)."""
    tokens: list[str] = []
    at = 0
    while at < len(text):
        letter = text[at]
        if letter.isspace():
            at += 1
        elif letter in "()":
            tokens.append(letter)
            at += 1
        elif letter == '"':
            end = text.find('"', at + 1)
            end = len(text) if end < 0 else end
            tokens.append(text[at:end])
            at = end + 1
        else:
            start = at
            while at < len(text) and not text[at].isspace() and text[at] not in '()"':
                at += 1
            tokens.append(text[start:at])
    return tokens


class _Parser:
    def __init__(self, param: Param, tokens: list[str]) -> None:
        self._param = param
        self._tokens = tokens
        self._at = 0

    @property
    def done(self) -> bool:
        return self._at == len(self._tokens)

    def refusal(self) -> BadRequest:
        return BadRequest(
            f'parameter {self._param}: expected words, "phrases", and, or, not and parentheses'
        )

    def any_of(self, depth: int) -> Criterion:
        if depth > MAX_NESTING:
            raise self.refusal()
        parts = [self._all_of(depth)]
        while self._next("or"):
            parts.append(self._all_of(depth))
        return parts[0] if len(parts) == 1 else AnyOf(tuple(parts))

    def _all_of(self, depth: int) -> Criterion:
        parts = [self._one(depth)]
        while not self.done and self._peek() not in ("or", ")"):
            self._next("and")
            parts.append(self._one(depth))
        return parts[0] if len(parts) == 1 else AllOf(tuple(parts))

    def _one(self, depth: int) -> Criterion:
        if depth > MAX_NESTING or self.done:
            raise self.refusal()
        if self._next("not"):
            return Not(self._one(depth + 1))
        if self._next("("):
            inner = self.any_of(depth + 1)
            if not self._next(")"):
                raise self.refusal()
            return inner
        found = tuple(words(self._tokens[self._at]))
        if not found or self._peek() in ("and", "or", ")"):
            raise self.refusal()
        self._at += 1
        return FullText(self._param, found)

    def _peek(self) -> str:
        return self._tokens[self._at].lower()

    def _next(self, token: str) -> bool:
        if not self.done and self._peek() == token:
            self._at += 1
            return True
        return False
