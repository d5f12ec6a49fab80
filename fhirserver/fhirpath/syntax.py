"""The grammar: FHIRPath text to a syntax tree.

Covers paths, indexers, function calls, string, number and boolean literals, `%resource`, `$this`
and the operators `is as | = != and or`. Precedence follows the specification: `.` binds tightest,
then `is`/`as`, `|`, equality, `and`, `or`. Time is linear in the length of the text.

Spec: https://hl7.org/fhirpath/N1/#expressions
"""

import re
from dataclasses import dataclass
from decimal import Decimal

MAX_LENGTH = 20_000
MAX_DEPTH = 60


class UnsupportedError(ValueError):
    """The expression is not FHIRPath, or uses a part of it that is not compiled here."""


@dataclass(frozen=True, slots=True)
class This:
    """The value an expression is evaluated on."""


@dataclass(frozen=True, slots=True)
class Variable:
    """An environment variable: ``%resource``, ``%context``."""

    name: str


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant."""

    value: str | bool | int | Decimal


@dataclass(frozen=True, slots=True)
class Member:
    """`base.name`; a leading name has `This` as its base."""

    base: "Expression"
    name: str


@dataclass(frozen=True, slots=True)
class Call:
    """`base.name(arguments)`."""

    base: "Expression"
    name: str
    arguments: tuple["Expression", ...]


@dataclass(frozen=True, slots=True)
class Index:
    """`base[position]`."""

    base: "Expression"
    position: int


@dataclass(frozen=True, slots=True)
class TypeTest:
    """`base is type` or `base as type`."""

    operator: str
    base: "Expression"
    type: str


@dataclass(frozen=True, slots=True)
class Binary:
    """`left operator right` for ``|``, ``=``, ``!=``, ``and``, ``or``."""

    operator: str
    left: "Expression"
    right: "Expression"


Expression = This | Variable | Literal | Member | Call | Index | TypeTest | Binary

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<number>\d+(?:\.\d+)?)
    | (?P<string>'(?:[^'\\]|\\.)*')
    | (?P<name>[A-Za-z_][A-Za-z0-9_]*|`[^`]+`)
    | (?P<variable>%[A-Za-z_][A-Za-z0-9_]*)
    | (?P<this>\$this)
    | (?P<symbol>!=|[.|=()\[\],])
    )""",
    re.VERBOSE | re.ASCII | re.DOTALL,
)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "f": "\f"}
# Loosest first. A level's operators are left-associative.
_LEVELS: tuple[tuple[str, ...], ...] = (("or",), ("and",), ("=", "!="), ("|",))


def parse(text: str) -> Expression:
    """Return the syntax tree of `text`. Raises `UnsupportedError` outside the subset."""
    if len(text) > MAX_LENGTH:
        raise UnsupportedError(f"expression longer than {MAX_LENGTH} characters")
    parser = _Parser(_tokens(text))
    tree = parser.expression(0)
    parser.finish()
    return tree


def _tokens(text: str) -> list[tuple[str, str]]:
    tokens: list[tuple[str, str]] = []
    position, end = 0, len(text.rstrip())
    while position < end:
        match = _TOKEN.match(text, position)
        if match is None or match.lastgroup is None:
            raise UnsupportedError(f"cannot read {text[position : position + 20]!r}")
        tokens.append((match.lastgroup, match[match.lastgroup]))
        position = match.end()
    return tokens


class _Parser:
    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self._tokens = tokens
        self._at = 0
        self._depth = 0

    def finish(self) -> None:
        if self._at < len(self._tokens):
            raise UnsupportedError(f"unexpected {self._tokens[self._at][1]!r}")

    def expression(self, level: int) -> Expression:
        if level == len(_LEVELS):
            return self._type_test()
        left = self.expression(level + 1)
        while (operator := self._peek()[1]) in _LEVELS[level]:
            self._at += 1
            left = Binary(operator, left, self.expression(level + 1))
        return left

    def _type_test(self) -> Expression:
        base = self._path()
        while self._peek() in (("name", "is"), ("name", "as")):
            operator = self._take()[1]
            base = TypeTest(operator, base, self._type_name())
        return base

    def _type_name(self) -> str:
        kind, name = self._take()
        if kind != "name":
            raise UnsupportedError(f"expected a type, found {name!r}")
        if self._accept("."):
            if name not in ("FHIR", "System"):
                raise UnsupportedError(f"unknown type namespace {name!r}")
            kind, name = self._take()
        return name

    def _path(self) -> Expression:
        base = self._primary()
        while True:
            if self._accept("."):
                base = self._invocation(base)
            elif self._accept("["):
                kind, digits = self._take()
                if kind != "number" or not digits.isdigit():
                    raise UnsupportedError("an index must be a whole number")
                self._expect("]")
                base = Index(base, int(digits))
            else:
                return base

    def _primary(self) -> Expression:
        kind, text = self._peek()
        if kind == "string":
            self._at += 1
            return Literal(_unquote(text))
        if kind == "number":
            self._at += 1
            return Literal(int(text) if text.isdigit() else Decimal(text))
        if kind == "variable":
            self._at += 1
            return Variable(text[1:])
        if kind == "this":
            self._at += 1
            return This()
        if (kind, text) in (("name", "true"), ("name", "false")):
            self._at += 1
            return Literal(text == "true")
        if self._accept("("):
            self._deeper()
            inner = self.expression(0)
            self._depth -= 1
            self._expect(")")
            return inner
        return self._invocation(This())

    def _invocation(self, base: Expression) -> Expression:
        kind, name = self._take()
        if kind != "name":
            raise UnsupportedError(f"expected a name, found {name!r}")
        name = name.strip("`")
        if not self._accept("("):
            return Member(base, name)
        arguments: list[Expression] = []
        self._deeper()
        while not self._accept(")"):
            if arguments:
                self._expect(",")
            arguments.append(self.expression(0))
        self._depth -= 1
        return Call(base, name, tuple(arguments))

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise UnsupportedError(f"nested deeper than {MAX_DEPTH}")

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._at] if self._at < len(self._tokens) else ("end", "")

    def _take(self) -> tuple[str, str]:
        token = self._peek()
        if token[0] == "end":
            raise UnsupportedError("the expression ends too early")
        self._at += 1
        return token

    def _accept(self, symbol: str) -> bool:
        if self._peek() == ("symbol", symbol):
            self._at += 1
            return True
        return False

    def _expect(self, symbol: str) -> None:
        if not self._accept(symbol):
            raise UnsupportedError(f"expected {symbol!r}, found {self._peek()[1]!r}")


def _unquote(text: str) -> str:
    return re.sub(
        r"\\(.)", lambda match: _ESCAPES.get(match[1], match[1]), text[1:-1], flags=re.DOTALL
    )
