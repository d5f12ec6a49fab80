"""FHIRPath, ready to run: on resources, on elements of them, and on what another path found.

Spec: https://hl7.org/fhirpath/N1/, https://hl7.org/fhir/R4/fhirpath.html
"""

from functools import lru_cache
from typing import Any, Final, NamedTuple

from fhirserver.definitions import load
from fhirserver.fhirpath.errors import EvaluationError, TooExpensiveError
from fhirserver.fhirpath.evaluator import compile_tree
from fhirserver.fhirpath.model import Structures, model_of
from fhirserver.fhirpath.node import Node
from fhirserver.fhirpath.scope import Environment, Items, Resolve, Run, Scope
from fhirserver.fhirpath.syntax import Expression, parse
from fhirserver.fhirpath.values import to_json, truth, type_of

_PLAIN: Final = Environment()


class Typed(NamedTuple):
    """A value with its type: a FHIR type or element path, or a ``System.`` type."""

    value: Any
    type: str


class Path:
    """A compiled expression; immutable, to be shared freely. Made by `compile_path`.

    All methods take the same arguments. `focus` is the JSON of a resource, any other JSON value
    with its FHIR `type`, or what `nodes()` gave. `root` is the resource that `%resource` stands
    for where the focus is a bare element. `resolve` fetches what references point to beyond the
    resource at hand. `definitions` default to R4's own.

    All methods raise `EvaluationError`, and `TooExpensiveError` beyond `environment.limits`.
    """

    __slots__ = ("_run", "expression", "tree")

    def __init__(self, expression: str) -> None:
        """`UnsupportedError` when `expression` is not FHIRPath."""
        self.expression: Final = expression
        self.tree: Final[Expression] = parse(expression)
        self._run = compile_tree(self.tree)

    def evaluate(self, focus: Any, **surroundings: Any) -> list[Any]:
        """Return the values found, as JSON; elements that have no value are left out."""
        found = (to_json(item) for item in self.nodes(focus, **surroundings))
        return [value for value in found if value is not None]

    def typed(self, focus: Any, **surroundings: Any) -> list[Typed]:
        """Return the values found with their types; elements without a value are left out."""
        found = []
        for item in self.nodes(focus, **surroundings):
            value, type_ = to_json(item), type_of(item)
            if value is not None:
                name = type_.name if type_.namespace == "FHIR" else f"System.{type_.name}"
                found.append(Typed(value, name))
        return found

    def holds(self, focus: Any, **surroundings: Any) -> bool | None:
        """Return the verdict of a constraint; None where there is no result."""
        return truth(self.nodes(focus, **surroundings), "a constraint")

    def locate(self, focus: Any, **surroundings: Any) -> list[str]:
        """Return the JSON pointer of every element found, "" for the focus itself.

        Raises `EvaluationError` where the expression makes a value instead of finding one.
        """
        return [node.pointer() for node in self._elements(focus, **surroundings)]

    def places(self, focus: Any, **surroundings: Any) -> list[str]:
        """As `locate`, but FHIRPath with JSON names: ``Patient.name[0].given[1]``."""
        return [node.place() for node in self._elements(focus, **surroundings)]

    def nodes(
        self,
        focus: Any,
        *,
        type: str | None = None,  # noqa: A002 - the word of the specification
        root: Any = None,
        definitions: Structures | None = None,
        environment: Environment | None = None,
        resolve: Resolve | None = None,
    ) -> Items:
        """Return what is found as engine items, to be used as the focus of another path."""
        model = model_of(definitions if definitions is not None else load())
        context = _context(focus, type)
        at = None if root is None else _node(root, None)
        run = Run(model, environment or _PLAIN, context, at, resolve)
        try:
            return self._run(Scope(run, context))
        except RecursionError:
            raise TooExpensiveError("the value is nested too deeply") from None

    def _elements(self, focus: Any, **surroundings: Any) -> list[Node]:
        context = _context(focus, surroundings.pop("type", None))
        roots = {id(_root(node)) for node in context if isinstance(node, Node)}
        found = self.nodes(context, **surroundings)
        for item in found:
            if not isinstance(item, Node) or id(_root(item)) not in roots:
                raise EvaluationError("the expression gives a value that is no element here")
        return found

    def __repr__(self) -> str:
        return f"Path({self.expression!r})"


@lru_cache(maxsize=4096)
def compile_path(expression: str) -> Path:
    """Return `expression` compiled. `UnsupportedError` when it is not FHIRPath, or too large."""
    return Path(expression)


def _context(focus: Any, type_: str | None) -> Items:
    if focus is None:
        return []
    if isinstance(focus, list):
        return [_node(one, type_) for one in focus]
    return [_node(focus, type_)]


def _node(value: Any, type_: str | None) -> Any:
    """JSON as a node; engine items stay what they are."""
    if isinstance(value, dict):
        stated = value.get("resourceType")
        return Node(value, type_ or (stated if isinstance(stated, str) else "Element"))
    if type_ is not None and not isinstance(value, Node):
        return Node(value, type_)
    return value


def _root(node: Node) -> Node:
    while node.parent is not None:
        node = node.parent
    return node
