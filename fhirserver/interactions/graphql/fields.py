"""What the fields of the schema do: hand out elements, follow references, read and search.

Spec: https://hl7.org/fhir/R4/graphql.html
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from graphql import FieldNode, GraphQLResolveInfo

from fhirserver.interactions.graphql.arguments import selected
from fhirserver.interactions.graphql.node import Node
from fhirserver.interactions.graphql.session import Session
from fhirserver.kernel.errors import NotFound

_FIRST: Final = "first"

Info = GraphQLResolveInfo[Any]
Search = Callable[..., Awaitable[Any]]


def element(source: Node, info: Info) -> Any:
    """Return the element the field is called after."""
    session: Session = info.context
    session.budget.value()
    return source.inside(source.value.get(info.field_name))


def element_list(fhir_type: str) -> Callable[..., Any]:
    """Return the resolver of a list of elements of `fhir_type`."""

    def resolve(source: Node, info: Info, **given: Any) -> Any:
        session: Session = info.context
        items = source.value.get(info.field_name)
        if items is None:
            return None
        if given:
            items = selected(items, given, fhir_type, session.context.definitions)
        if any(one.name.value == _FIRST for one in info.field_nodes[0].directives or ()):
            items = items[:1]
        for _ in items:
            session.budget.value()
        return [source.inside(item) for item in items]

    return resolve


async def follow(source: Node, info: Info, **given: Any) -> Node | None:
    """Return the resource a Reference points at, None when it is not of the `type` asked for.

    Where there is none that the caller may see, that is an error unless `optional`.
    """
    session: Session = info.context
    reference = source.value.get("reference")
    if not isinstance(reference, str):
        return None
    found = await session.references.resolve(reference, source.resource)
    if found is None:
        if given.get("optional"):
            return None
        raise NotFound(f"{reference} is not known.")
    return found if given.get("type") in (None, found.value["resourceType"]) else None


def read_by_id(resource_type: str) -> Search:
    """Return the resolver of `X(id)`."""

    async def resolve(_source: Any, info: Info, **given: Any) -> Node:
        session: Session = info.context
        return await session.read(resource_type, given["id"])

    return resolve


def search_list(resource_type: str) -> Search:
    """Return the resolver of `XList(...)`."""

    async def resolve(source: Node | None, info: Info, **given: Any) -> list[Node]:
        session: Session = info.context
        return (await session.search(resource_type, given, source)).nodes

    return resolve


def search_connection(resource_type: str) -> Search:
    """Return the resolver of `XConnection(...)`."""

    async def resolve(source: Node | None, info: Info, **given: Any) -> dict[str, Any]:
        session: Session = info.context
        wants_count = any(
            isinstance(one, FieldNode) and one.name.value == "count"
            for node in info.field_nodes
            for one in (node.selection_set.selections if node.selection_set else ())
        )
        page = await session.search(resource_type, given, source, total=wants_count)
        return {
            "count": page.total,
            "pagesize": len(page.nodes),
            "edges": [{"mode": "match", "resource": node} for node in page.nodes],
            "next": page.cursor,
        }

    return resolve
