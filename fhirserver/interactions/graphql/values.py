"""The leaves of the GraphQL schema: FHIR's primitive types as scalars.

Values go out as they stand in the record, decimals with all their digits. What comes in may be
written like a string, a number or, as FHIR's own examples do, like a name (`use: official`).

Spec: https://hl7.org/fhir/R4/graphql.html, https://hl7.org/fhir/R4/datatypes.html#primitive
"""

from typing import Any, Final

from graphql import (
    BooleanValueNode,
    EnumValueNode,
    FloatValueNode,
    GraphQLBoolean,
    GraphQLError,
    GraphQLID,
    GraphQLInt,
    GraphQLScalarType,
    GraphQLString,
    IntValueNode,
    StringValueNode,
    ValueNode,
)

_WRITTEN: Final = (StringValueNode, EnumValueNode, IntValueNode, FloatValueNode)

_GRAPHQL_OWN: Final = {
    "boolean": GraphQLBoolean,
    "integer": GraphQLInt,
    "positiveInt": GraphQLInt,
    "unsignedInt": GraphQLInt,
    "string": GraphQLString,
    "id": GraphQLID,
    "xhtml": GraphQLString,
}


def _as_it_is(value: Any) -> Any:
    return value


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise GraphQLError("A text, a number or a boolean is expected.")


def _literal(node: ValueNode, _variables: dict[str, Any] | None = None) -> str:
    if isinstance(node, BooleanValueNode):
        return "true" if node.value else "false"
    if isinstance(node, _WRITTEN):
        return str(node.value)
    raise GraphQLError("A text, a number, a boolean or a name is expected.", node)


def _scalar(name: str, description: str) -> GraphQLScalarType:
    return GraphQLScalarType(
        name,
        description=description,
        serialize=_as_it_is,
        parse_value=_text,
        parse_literal=_literal,
    )


SEARCH_VALUE: Final = _scalar("SearchValue", "A value of a search parameter, as in a search URL.")
FILTER_VALUE: Final = _scalar("FilterValue", "The value an element of a list must have.")

_made: dict[str, GraphQLScalarType] = {}


def scalar(fhir_type: str) -> GraphQLScalarType:
    """Return the scalar of a primitive FHIR type; the same object for the same type."""
    found = _GRAPHQL_OWN.get(fhir_type) or _made.get(fhir_type)
    if found is None:
        found = _made[fhir_type] = _scalar(fhir_type, f"FHIR primitive type {fhir_type}.")
    return found
