"""The GraphQL schema of R4, told from the definitions.

Types have FHIR's names; a backbone element is called by its path (`ObservationComponent`). Fields
have the names of FHIR's JSON, so a choice is a field per type (`valueQuantity`), and each primitive
has a companion with its id and extensions (`_birthDate`). On top stand, for each resource type X,
`X(id)`, `XList(...)` and `XConnection(...)`; inside a resource the latter two say with `_reference`
which of their parameters points back.

Spec: https://hl7.org/fhir/R4/graphql.html
"""

from functools import lru_cache
from typing import Any, Final

from graphql import (
    GraphQLArgument,
    GraphQLBoolean,
    GraphQLDirective,
    GraphQLField,
    GraphQLFloat,
    GraphQLID,
    GraphQLInt,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNamedType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLResolveInfo,
    GraphQLSchema,
    GraphQLString,
    specified_directives,
)
from graphql.language import DirectiveLocation

from fhirserver.definitions import Definitions, Element, ElementType, Structure, load
from fhirserver.interactions.graphql import fields
from fhirserver.interactions.graphql.arguments import REFERENCE, list_arguments, search_arguments
from fhirserver.interactions.graphql.node import Node
from fhirserver.interactions.graphql.values import SEARCH_VALUE, scalar

RESOURCE: Final = "Resource"

FLATTEN: Final = "flatten"
SINGLETON: Final = "singleton"
FIRST: Final = "first"

_DIRECTIVES: Final = tuple(
    GraphQLDirective(name, [DirectiveLocation.FIELD], description=description)
    for name, description in (
        (FLATTEN, "Leave this field out; what is below it moves up and becomes lists."),
        (SINGLETON, "Below @flatten: one value instead of a list."),
        (FIRST, "Only the first of the list."),
    )
)


MAX_SCHEMAS: Final = 8

_schemas: dict[frozenset[tuple[str, str]], GraphQLSchema] = {}


def schema_of(definitions: Definitions) -> GraphQLSchema:
    """Return the schema of `definitions`; building one takes half a second.

    Tenants differ in nothing but search parameters of their own, so most share one schema.
    """
    own = _own_parameters(definitions)
    found = _schemas.get(own)
    if found is None:
        found = _Builder(definitions).schema()
        if len(_schemas) >= MAX_SCHEMAS:
            _schemas.clear()
        _schemas[own] = found
    return found


@lru_cache(maxsize=256)
def _own_parameters(definitions: Definitions) -> frozenset[tuple[str, str]]:
    """Return type and code of the search parameters that R4 does not have."""
    base = load()
    return frozenset(
        (name, code)
        for name in definitions.resource_types
        for code in definitions.search_parameters(name)
        if code not in base.search_parameters(name)
    )


class _Builder:
    def __init__(self, definitions: Definitions) -> None:
        self._definitions = definitions
        self._structures = {
            name: definitions.structure(name) for name in definitions.structure_names
        }
        self._primitives = frozenset(
            name for name, row in self._structures.items() if row.kind == "primitive-type"
        )
        self._objects: dict[str, GraphQLObjectType] = {}
        self._lists: dict[str, GraphQLField] = {}
        self._connections: dict[str, GraphQLField] = {}
        self._resource = GraphQLInterfaceType(
            RESOURCE, self._common_fields, resolve_type=_type_of_resource
        )

    def schema(self) -> GraphQLSchema:
        types: list[GraphQLNamedType] = [
            self._of_structure(name) for name in self._definitions.resource_types
        ]
        return GraphQLSchema(
            query=GraphQLObjectType("Query", self._root_fields),
            types=types,
            directives=(*specified_directives, *_DIRECTIVES),
            assume_valid=True,
        )

    def _root_fields(self) -> dict[str, GraphQLField]:
        found: dict[str, GraphQLField] = {}
        for name in self._definitions.resource_types:
            found[name] = GraphQLField(
                self._of_structure(name),
                {"id": GraphQLArgument(GraphQLNonNull(GraphQLID))},
                fields.read_by_id(name),
            )
            found[f"{name}List"] = self._search_field(name, nested=False)
            found[f"{name}Connection"] = self._connection_field(name, nested=False)
        return found

    def _search_field(self, name: str, *, nested: bool) -> GraphQLField:
        arguments = search_arguments(self._definitions, name)
        if nested:
            arguments[REFERENCE] = GraphQLArgument(GraphQLNonNull(SEARCH_VALUE))
        return GraphQLField(
            GraphQLList(GraphQLNonNull(self._of_structure(name))),
            arguments,
            fields.search_list(name),
        )

    def _connection_field(self, name: str, *, nested: bool) -> GraphQLField:
        arguments = search_arguments(self._definitions, name)
        arguments["_cursor"] = GraphQLArgument(GraphQLString)
        if nested:
            arguments[REFERENCE] = GraphQLArgument(GraphQLNonNull(SEARCH_VALUE))
        return GraphQLField(self._connection(name), arguments, fields.search_connection(name))

    def _connection(self, name: str) -> GraphQLObjectType:
        found = self._objects.get(f"{name}Connection")
        if found is None:
            edge = GraphQLObjectType(
                f"{name}Edge",
                {
                    "mode": GraphQLField(scalar("code")),
                    "score": GraphQLField(GraphQLFloat),
                    "resource": GraphQLField(self._of_structure(name)),
                },
            )
            pages = ("first", "previous", "next", "last")
            found = self._objects[f"{name}Connection"] = GraphQLObjectType(
                f"{name}Connection",
                {
                    "count": GraphQLField(GraphQLInt),
                    "offset": GraphQLField(GraphQLInt),
                    "pagesize": GraphQLField(GraphQLInt),
                    "edges": GraphQLField(GraphQLList(GraphQLNonNull(edge))),
                    **{page: GraphQLField(GraphQLString) for page in pages},
                },
            )
        return found

    def _common_fields(self) -> dict[str, GraphQLField]:
        structure = self._structures[RESOURCE]
        return {"resourceType": self._type_name(), **self._fields(structure, structure.elements)}

    def _of_structure(self, name: str) -> GraphQLObjectType:
        found = self._objects.get(name)
        if found is None:
            structure = self._structures[name]
            is_resource = structure.kind == "resource"
            found = self._objects[name] = GraphQLObjectType(
                name,
                lambda: self._structure_fields(structure),
                interfaces=[self._resource] if is_resource else None,
            )
        return found

    def _structure_fields(self, structure: Structure) -> dict[str, GraphQLField]:
        found = self._fields(structure, structure.elements)
        if structure.name == "Reference":
            found["resource"] = GraphQLField(
                self._resource,
                {
                    "optional": GraphQLArgument(GraphQLBoolean),
                    "type": GraphQLArgument(SEARCH_VALUE),
                },
                fields.follow,
            )
        if structure.kind == "resource":
            found["resourceType"] = self._type_name()
            for name in self._referrers(structure.name):
                if name not in self._lists:
                    self._lists[name] = self._search_field(name, nested=True)
                    self._connections[name] = self._connection_field(name, nested=True)
                found[f"{name}List"] = self._lists[name]
                found[f"{name}Connection"] = self._connections[name]
        return found

    def _referrers(self, name: str) -> list[str]:
        """Return the resource types that may point at `name` by a search parameter."""
        return [
            other
            for other in self._definitions.resource_types
            if any(
                row.type == "reference" and (not row.target or name in row.target)
                for row in self._definitions.search_parameters(other).values()
            )
        ]

    def _fields(
        self, structure: Structure, elements: tuple[Element, ...]
    ) -> dict[str, GraphQLField]:
        found: dict[str, GraphQLField] = {}
        for element in elements:
            if not element.types:
                inner = self._of_backbone(structure, element.content_reference or "")
                children = structure.children(element)
                found[element.name] = self._field(element, inner, children, inner.name)
            for json_name, element_type in element.json_names():
                found |= self._field_of_type(structure, element, json_name, element_type)
        return found

    def _field_of_type(
        self, structure: Structure, element: Element, json_name: str, element_type: ElementType
    ) -> dict[str, GraphQLField]:
        code = element_type.code
        if element.elements:
            inner = self._of_backbone(structure, element.path)
            return {json_name: self._field(element, inner, element.elements, element.path)}
        if code in self._primitives:
            companion = self._of_structure("Element")
            return {
                json_name: self._field(element, scalar(code), (), code),
                f"_{json_name}": self._field(element, companion, (), "Element"),
            }
        if code == RESOURCE:
            return {json_name: self._field(element, self._resource, (), RESOURCE)}
        target = self._structures.get(code)
        if target is None:
            # System types of FHIRPath (Element.id): texts.
            return {json_name: GraphQLField(GraphQLString, resolve=fields.element)}
        inner = self._of_structure(code)
        return {json_name: self._field(element, inner, target.elements, code)}

    def _field(
        self,
        element: Element,
        inner: GraphQLOutputType,
        children: tuple[Element, ...],
        fhir_type: str,
    ) -> GraphQLField:
        if not element.is_list:
            return GraphQLField(inner, resolve=fields.element)
        arguments = list_arguments(children, self._primitives)
        return GraphQLField(GraphQLList(inner), arguments, fields.element_list(fhir_type))

    def _of_backbone(self, structure: Structure, path: str) -> GraphQLObjectType:
        name = "".join(part[:1].upper() + part[1:] for part in path.split("."))
        found = self._objects.get(name)
        if found is None:
            element = structure.element(path)
            children = element.elements if element is not None else ()
            found = self._objects[name] = GraphQLObjectType(
                name, lambda: self._fields(structure, children)
            )
        return found

    @staticmethod
    def _type_name() -> GraphQLField:
        return GraphQLField(scalar("code"), resolve=fields.element)


def _type_of_resource(value: Node, _info: GraphQLResolveInfo[Any], _abstract: Any) -> str:
    return str(value.value["resourceType"])
