"""Whether a path can find anything at all on a type: misspelled elements, found before use.

Evaluation gives nothing for an element that does not exist, as the specification says. Where a
path is written once and used for long (a SearchParameter, a constraint, a patch), that would hide
a slip of the pen, so such paths are checked first.

Spec: https://hl7.org/fhirpath/N1/#type-safety-and-strict-evaluation
"""

from typing import Final

from fhirserver.definitions import load
from fhirserver.fhirpath.errors import UnsupportedError
from fhirserver.fhirpath.evaluator import compile_tree, type_specifier
from fhirserver.fhirpath.model import Structures, TypeModel, model_of
from fhirserver.fhirpath.syntax import (
    Binary,
    Call,
    Expression,
    Index,
    Member,
    This,
    TypeTest,
    Variable,
    parse,
    parts,
)

Types = frozenset[str] | None
"""The types a value may have; None where nothing is known, empty where it is no element."""

_KEEPING: Final = frozenset(
    {"where", "first", "last", "tail", "skip", "take", "single", "distinct", "trace", "exclude"}
    | {"intersect"}
)
_UNKNOWN: Final = frozenset(
    {"resolve", "children", "descendants", "repeat", "aggregate", "iif", "type", "getValue"}
)
_OPEN: Final = frozenset({"Resource", "DomainResource", "Element", "BackboneElement"})
"""Types whose values have elements of types derived from them."""


def check_path(expression: str, type_: str, definitions: Structures | None = None) -> None:
    """Raise `UnsupportedError` when `expression` is not FHIRPath, or cannot fit a `type_`.

    Only what is certain is refused: elements that none of the possible types has, and types that
    do not exist.
    """
    tree = parse(expression)
    compile_tree(tree)
    model = model_of(definitions if definitions is not None else load())
    _Checker(model, frozenset({type_})).types(tree, frozenset({type_}))


class _Checker:
    def __init__(self, model: TypeModel, root: Types) -> None:
        self._model = model
        self._root = root

    def types(self, node: Expression, this: Types) -> Types:
        """The possible types of `node`, evaluated on a value of one of the types `this`."""
        found: Types = frozenset()
        match node:
            case This():
                found = this
            case Variable(name):
                found = self._root if name in ("resource", "context") else None
            case Member(This(), name) if name[:1].isupper():
                found = self._start(name, this)
            case Member(base, name):
                found = self._member(self.types(base, this), name)
            case Index(base, position):
                self.types(position, this)
                found = self.types(base, this)
            case TypeTest(operator, base, name, namespace):
                found = self._narrowed(operator, self.types(base, this), namespace, name)
            case Call(base, name, arguments):
                found = self._call(self.types(base, this), name, arguments, this)
            case Binary("|", left, right):
                found = _either(self.types(left, this), self.types(right, this))
            case _:
                for part in parts(node):
                    self.types(part, this)
        return found

    def _start(self, name: str, this: Types) -> Types:
        if this is None:
            return None
        found = frozenset(one for one in this if self._model.is_a(one, name))
        if not found and not this & _OPEN:
            raise UnsupportedError(f"{name[:60]} is not {' or '.join(sorted(this))}")
        return found or None

    def _member(self, base: Types, name: str) -> Types:
        if base is None or not base or base & _OPEN:
            return None
        found = set()
        for one in base:
            for child in self._model.shape(one).by_name.get(name, ()):
                found.add(child.type)
        if not found:
            raise UnsupportedError(f"{' or '.join(sorted(base))} has no element {name[:60]!r}")
        return frozenset(found)

    def _narrowed(self, operator: str, base: Types, namespace: str | None, name: str) -> Types:
        if namespace == "FHIR" and not self._model.knows(name):
            raise UnsupportedError(f"there is no type FHIR.{name[:60]}")
        if namespace is None and not self._model.knows(name) and name not in _SYSTEM:
            raise UnsupportedError(f"there is no type {name[:60]}")
        if operator == "is":
            return frozenset()
        if base is None:
            return frozenset({name})
        return frozenset(one for one in base if self._model.is_a(one, name)) or frozenset({name})

    def _call(
        self, base: Types, name: str, arguments: tuple[Expression, ...], this: Types
    ) -> Types:
        if name in ("is", "as", "ofType"):
            return self._narrowed(name, base, *type_specifier(arguments[0]))
        inner = base if name in _PER_ITEM else this
        found = [self.types(one, inner) for one in arguments]
        if name in _KEEPING:
            return base
        if name in ("union", "combine"):
            return _either(base, found[0])
        if name == "select":
            return found[0]
        if name == "extension":
            return frozenset({"Extension"})
        return None if name in _UNKNOWN else frozenset()


_PER_ITEM: Final = frozenset({"where", "select", "exists", "all", "repeat", "aggregate", "iif"})
_SYSTEM: Final = frozenset(
    {"Boolean", "String", "Integer", "Decimal", "Date", "DateTime", "Time", "Quantity", "Any"}
)


def _either(left: Types, right: Types) -> Types:
    return None if left is None or right is None else left | right
