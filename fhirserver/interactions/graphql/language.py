"""Reads a GraphQL query within bounds and checks it against the schema.

Introspection is refused: the schema of R4 is tens of megabytes as JSON, and everything in it can be
read in FHIR's own definitions.

Spec: https://spec.graphql.org/October2021/#sec-Validation
"""

from typing import Any, Final

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLSchema,
    InlineFragmentNode,
    Lexer,
    NoSchemaIntrospectionCustomRule,
    NoUnusedFragmentsRule,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    Source,
    TokenKind,
    parse,
    specified_rules,
    validate,
)
from graphql.validation.validate import ValidationAbortedError

from fhirserver.interactions.graphql.budget import (
    MAX_DEPTH,
    MAX_FIELDS,
    MAX_NESTING,
    MAX_TEXT,
    MAX_TOKENS,
)
from fhirserver.kernel.errors import BadRequest, Problem, TooCostly

MAX_ERRORS: Final = 20

_OPENING: Final = frozenset({TokenKind.BRACE_L, TokenKind.BRACKET_L, TokenKind.PAREN_L})
_CLOSING: Final = frozenset({TokenKind.BRACE_R, TokenKind.BRACKET_R, TokenKind.PAREN_R})
# Fragments of an operation that is not run would count as unused.
_RULES: Final = (
    *(rule for rule in specified_rules if rule is not NoUnusedFragmentsRule),
    NoSchemaIntrospectionCustomRule,
)

Fragments = dict[str, FragmentDefinitionNode]


def read_query(text: str) -> DocumentNode:
    """Return the parsed query. Raises `BadRequest` and `TooCostly`."""
    if len(text) > MAX_TEXT:
        raise TooCostly(f"A query may have {MAX_TEXT} characters.")
    try:
        _require_bounded(text)
        return parse(text, max_tokens=MAX_TOKENS, allow_empty_selection_sets=False)
    except GraphQLError as error:
        raise BadRequest(_told(error)) from None


def chosen_operation(document: DocumentNode, name: str | None) -> OperationDefinitionNode:
    """Return the operation to run: the only one, or the one called `name`. Raises `BadRequest`."""
    operations = [one for one in document.definitions if isinstance(one, OperationDefinitionNode)]
    if name is not None:
        operations = [one for one in operations if one.name is not None and one.name.value == name]
    if len(operations) != 1:
        raise BadRequest("The query has several operations, or none: name one by operationName.")
    if operations[0].operation is not OperationType.QUERY:
        raise BadRequest("Only queries are answered: there are no mutations or subscriptions.")
    return operations[0]


def require_valid(
    schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode
) -> None:
    """Raise `BadRequest` with all problems of the query, `TooCostly` when it asks for too much."""
    errors = validate(schema, document, _RULES, max_errors=MAX_ERRORS, hide_suggestions=True)
    if errors and all(isinstance(error, ValidationAbortedError) for error in errors):
        raise TooCostly("The query is too much to be checked: ask for fewer fields.")
    if errors:
        problems = [Problem("error", "invalid", "", _told(error)) for error in errors]
        raise BadRequest(problems[0].message, problems=problems)
    # Only now is it certain that no fragment contains itself.
    _Measure(fragments_of(document)).of(operation.selection_set, 1)


def fragments_of(document: DocumentNode) -> Fragments:
    """Return the fragments of a query by name."""
    return {
        one.name.value: one
        for one in document.definitions
        if isinstance(one, FragmentDefinitionNode)
    }


class _Measure:
    """Counts fields and depth as if fragments were written out; stops at the bound."""

    def __init__(self, fragments: Fragments) -> None:
        self._fragments = fragments
        self._fields = 0
        self._steps = 0

    def of(self, selections: SelectionSetNode, depth: int) -> None:
        self._steps += 1
        if depth > MAX_DEPTH:
            raise TooCostly(f"A query may nest {MAX_DEPTH} fields in one another.")
        for one in selections.selections:
            if isinstance(one, FieldNode):
                self._fields += 1
                inner: Any = one.selection_set
                below = depth + 1
            elif isinstance(one, FragmentSpreadNode):
                inner, below = self._fragments[one.name.value].selection_set, depth
            else:
                inner = one.selection_set if isinstance(one, InlineFragmentNode) else None
                below = depth
            if self._fields > MAX_FIELDS or self._steps > 10 * MAX_FIELDS:
                raise TooCostly(f"A query may have {MAX_FIELDS} fields, fragments written out.")
            if inner is not None:
                self.of(inner, below)


def _require_bounded(text: str) -> None:
    """Refuse what the parser, which calls itself for every bracket, could not stand."""
    lexer = Lexer(Source(text))
    depth = count = 0
    while (token := lexer.advance()).kind is not TokenKind.EOF:
        count += 1
        depth += (token.kind in _OPENING) - (token.kind in _CLOSING)
        if depth > MAX_NESTING:
            raise TooCostly(f"A query may nest {MAX_NESTING} brackets in one another.")
        if count > MAX_TOKENS:
            raise TooCostly(f"A query may have {MAX_TOKENS} words and signs.")


def _told(error: GraphQLError) -> str:
    place = error.locations[0] if error.locations else None
    where = f" (line {place.line}, column {place.column})" if place is not None else ""
    return f"{error.message[:500]}{where}"
