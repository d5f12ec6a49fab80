"""The grammar: FHIRPath text to a syntax tree.

All of the specification's grammar is read here, once for the engine (`fhirserver.fhirpath.path`)
and for the compiler of search expressions. Time is linear in the length of the text; how deeply
a text may nest is bounded, so nothing that walks a tree can run out of stack.

Spec: https://hl7.org/fhirpath/N1/#expressions, https://hl7.org/fhirpath/N1/grammar.html
"""

from dataclasses import dataclass
from decimal import Decimal

from fhirserver.fhirpath.errors import UnsupportedError
from fhirserver.fhirpath.quantity import CALENDAR, Quantity, literal
from fhirserver.fhirpath.temporal import Temporal, parse_calendar, parse_clock
from fhirserver.fhirpath.tokens import END, Token, tokens, unquote

MAX_LENGTH = 20_000
"""Characters of an expression."""

MAX_DEPTH = 60
"""Parentheses and function calls within each other."""

MAX_TREE = 150
"""Operators and steps within each other, the links of a chain counted too."""

MAX_INTEGER = 2**31 - 1


@dataclass(frozen=True, slots=True)
class This:
    """The value an expression is evaluated on."""


@dataclass(frozen=True, slots=True)
class Iteration:
    """`$index` or `$total`, by its name."""

    name: str


@dataclass(frozen=True, slots=True)
class Variable:
    """An environment variable: ``%resource``, ``%context``."""

    name: str


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant; None is the empty collection ``{}``."""

    value: str | bool | int | Decimal | Temporal | Quantity | None


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
    position: "Expression"


@dataclass(frozen=True, slots=True)
class TypeTest:
    """`base is type` or `base as type`; `namespace` is FHIR, System or None where not written."""

    operator: str
    base: "Expression"
    type: str
    namespace: str | None = None


@dataclass(frozen=True, slots=True)
class Unary:
    """`+operand` or `-operand`."""

    operator: str
    operand: "Expression"


@dataclass(frozen=True, slots=True)
class Binary:
    """`left operator right`."""

    operator: str
    left: "Expression"
    right: "Expression"


Expression = (
    This | Iteration | Variable | Literal | Member | Call | Index | TypeTest | Unary | Binary
)

# How tightly an operator binds. All are left-associative.
_STRENGTH: dict[str, int] = {
    operator: strength
    for strength, operators in enumerate(
        (
            ("implies",),
            ("or", "xor"),
            ("and",),
            ("in", "contains"),
            ("=", "!=", "~", "!~"),
            ("<", "<=", ">", ">="),
            ("|",),
            ("is", "as"),
            ("+", "-", "&"),
            ("*", "/", "div", "mod"),
        ),
        start=1,
    )
    for operator in operators
}
_UNARY = 11
_RESERVED = frozenset({"and", "div", "false", "implies", "mod", "or", "true", "xor"})


def parse(text: str) -> Expression:
    """Return the syntax tree of `text`.

    Raises `UnsupportedError` when it is not FHIRPath, too long or nested too deeply.
    """
    if len(text) > MAX_LENGTH:
        raise UnsupportedError(f"expression longer than {MAX_LENGTH} characters")
    parser = _Parser(tokens(text))
    tree = parser.expression(0)
    parser.finish()
    _refuse_deep(tree)
    return tree


def parts(node: Expression) -> tuple[Expression, ...]:
    """The expressions directly within `node`."""
    match node:
        case Member(base, _) | TypeTest(_, base, _, _) | Unary(_, base):
            return (base,)
        case Call(base, _, arguments):
            return (base, *arguments)
        case Index(base, position):
            return (base, position)
        case Binary(_, left, right):
            return (left, right)
    return ()


def _refuse_deep(tree: Expression) -> None:
    pending = [(tree, 1)]
    while pending:
        node, depth = pending.pop()
        if depth > MAX_TREE:
            raise UnsupportedError(f"more than {MAX_TREE} steps within each other")
        pending += [(part, depth + 1) for part in parts(node)]


class _Parser:
    def __init__(self, found: list[Token]) -> None:
        self._tokens = found
        self._at = 0
        self._depth = 0

    def finish(self) -> None:
        if self._at < len(self._tokens):
            raise UnsupportedError(f"unexpected {self._tokens[self._at].text[:40]!r}")

    def expression(self, weakest: int) -> Expression:
        """Read operands joined by operators that bind more tightly than `weakest`."""
        token = self._peek()
        if token.kind == "symbol" and token.text in ("+", "-"):
            self._at += 1
            self._deeper()
            left: Expression = Unary(token.text, self.expression(_UNARY - 1))
            self._depth -= 1
        else:
            left = self._path()
        while True:
            token = self._peek()
            strength = _STRENGTH.get(token.text, 0) if token.kind in ("name", "symbol") else 0
            if strength <= weakest:
                return left
            self._at += 1
            if token.text in ("is", "as"):
                namespace, name = self._type_name()
                left = TypeTest(token.text, left, name, namespace)
            else:
                left = Binary(token.text, left, self.expression(strength))

    def _type_name(self) -> tuple[str | None, str]:
        name = self._name("a type")
        if not self._accept("."):
            return None, name
        if name not in ("FHIR", "System"):
            raise UnsupportedError(f"unknown type namespace {name[:40]!r}")
        return name, self._name("a type")

    def _path(self) -> Expression:
        base = self._primary()
        while True:
            if self._accept("."):
                base = self._invocation(base)
            elif self._accept("["):
                self._deeper()
                base = Index(base, self.expression(0))
                self._depth -= 1
                self._expect("]")
            else:
                return base

    def _primary(self) -> Expression:
        token = self._peek()
        match token.kind:
            case "string":
                self._at += 1
                return Literal(unquote(token.text))
            case "number":
                self._at += 1
                return self._number(token.text)
            case "temporal":
                self._at += 1
                return Literal(_temporal(token.text[1:]))
            case "variable":
                self._at += 1
                name = token.text[1:]
                return Variable(unquote(name) if name[0] in "`'" else name)
            case "special":
                self._at += 1
                return This() if token.text == "$this" else Iteration(token.text[1:])
            case "name" if token.text in ("true", "false"):
                self._at += 1
                return Literal(token.text == "true")
        return self._grouped()

    def _grouped(self) -> Expression:
        if self._accept("{"):
            self._expect("}")
            return Literal(None)
        if self._accept("("):
            self._deeper()
            inner = self.expression(0)
            self._depth -= 1
            self._expect(")")
            return inner
        return self._invocation(This())

    def _number(self, text: str) -> Expression:
        following = self._peek()
        if following.kind == "string":
            self._at += 1
            return Literal(literal(Decimal(text), unquote(following.text)))
        if following.kind == "name" and following.text in CALENDAR:
            self._at += 1
            return Literal(literal(Decimal(text), following.text))
        if not text.isdigit():
            return Literal(Decimal(text))
        if len(text) > 10 or int(text) > MAX_INTEGER:
            raise UnsupportedError(f"an integer is at most {MAX_INTEGER}")
        return Literal(int(text))

    def _invocation(self, base: Expression) -> Expression:
        token = self._peek()
        if token.kind == "name" and token.text in _RESERVED:
            raise UnsupportedError(f"expected a name, found {token.text!r}")
        if token.kind == "special":
            raise UnsupportedError(f"{token.text} cannot follow a dot")
        name = self._name("a name")
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

    def _name(self, what: str) -> str:
        token = self._take()
        if token.kind == "quoted":
            return unquote(token.text)
        if token.kind != "name":
            raise UnsupportedError(f"expected {what}, found {token.text[:40]!r}")
        return token.text

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise UnsupportedError(f"nested deeper than {MAX_DEPTH}")

    def _peek(self) -> Token:
        return self._tokens[self._at] if self._at < len(self._tokens) else END

    def _take(self) -> Token:
        token = self._peek()
        if token.kind == "end":
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
            found = self._peek().text[:40]
            raise UnsupportedError(f"expected {symbol!r}, found {found!r}")


def _temporal(text: str) -> Temporal:
    found = parse_clock(text[1:]) if text[0] == "T" else parse_calendar(text)
    if found is None:
        raise UnsupportedError(f"there is no such date or time: {text}")
    return found
