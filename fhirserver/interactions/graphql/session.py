"""One GraphQL request's way to the record: reads and searches, within its budget, as its caller.

References that fields of one level follow are read together: those of a type in one search by ids.

Spec: https://hl7.org/fhir/R4/graphql.html
"""

import asyncio
from dataclasses import dataclass
from typing import Any, Final

from fhirserver.interactions.context import Context
from fhirserver.interactions.graphql.arguments import search_pairs
from fhirserver.interactions.graphql.budget import Budget
from fhirserver.interactions.graphql.node import Node
from fhirserver.interactions.read import read
from fhirserver.interactions.search import search
from fhirserver.interactions.vread import vread
from fhirserver.kernel.errors import Forbidden, Gone, NotFound
from fhirserver.kernel.resource import Json, Stored
from fhirserver.wire import fhir_json

AT_ONCE: Final = 4  # searches of one request side by side: one caller must not take all connections
TOGETHER: Final = 50  # ids of one search

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Found:
    """One page of a search."""

    nodes: list[Node]
    cursor: str | None
    total: int | None


class Session:
    """What resolvers find in `info.context`."""

    def __init__(self, context: Context, tasks: asyncio.TaskGroup) -> None:
        """`tasks` lives as long as the request; it carries reads that several fields wait for."""
        self.context = context
        self.budget = Budget()
        self.references = References(self, tasks)
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._read: dict[Key, Node] = {}

    async def read(self, resource_type: str, id_: str) -> Node:
        """Return one resource. Raises `NotFound`, `Gone`, `TooCostly`."""
        key = resource_type, id_
        if key not in self._read:
            self.budget.search()
            async with self._turn:
                self._read[key] = self.node(await read(self.context, resource_type, id_))
        return self._read[key]

    async def search(
        self, resource_type: str, given: dict[str, Any], source: Node | None, *, total: bool = False
    ) -> Found:
        """Return a page of resources; `source` is the resource that `_reference` is about.

        Raises `BadRequest`, `Forbidden`, `TooCostly`.
        """
        own = source.value if isinstance(source, Node) else {}
        referrer = f"{own.get('resourceType')}/{own.get('id')}"
        pairs = search_pairs(self.context.definitions, resource_type, given, referrer=referrer)
        if total:
            pairs.append(("_total", "accurate"))
        return await self.find(resource_type, pairs)

    async def find(self, resource_type: str, pairs: list[tuple[str, str]]) -> Found:
        """Return the page of a search. Raises like `search`."""
        self.budget.search()
        async with self._turn:
            page = (await search(self.context, resource_type, pairs)).page
        return Found([self.node(stored) for stored in page.entries], page.cursor, page.total)

    def node(self, stored: Stored) -> Node:
        """Return a stored resource as a node, counted."""
        self.budget.resource(len(stored.content))
        content = fhir_json.read(stored.content)
        return Node(content, content)


class References:
    """Resolves references, those asked for at the same time together, each resource once."""

    def __init__(self, session: Session, tasks: asyncio.TaskGroup) -> None:
        self._session = session
        self._tasks = tasks
        self._found: dict[Key, asyncio.Future[Node | None]] = {}
        self._waiting: list[Key] = []

    async def resolve(self, reference: str, resource: Json) -> Node | None:
        """Return what `reference` in `resource` points at, None when the caller sees no such thing."""
        if reference.startswith("#"):
            return _contained(reference[1:], resource)
        parts = reference.removeprefix(f"{self._session.context.base}/").split("/")
        known = self._session.context.definitions.is_resource_type(parts[0])
        if known and len(parts) == 2:
            return await self._batched((parts[0], parts[1]))
        if known and len(parts) == 4 and parts[2] == "_history" and parts[3].isdecimal():
            return await self._version(parts[0], parts[1], int(parts[3][:9]))
        return None

    async def _version(self, type_: str, id_: str, version: int) -> Node | None:
        self._session.budget.search()
        try:
            return self._session.node(await vread(self._session.context, type_, id_, version))
        except (NotFound, Gone, Forbidden):
            return None

    async def _batched(self, key: Key) -> Node | None:
        future = self._found.get(key)
        if future is None:
            future = self._found[key] = asyncio.get_running_loop().create_future()
            self._waiting.append(key)
            if len(self._waiting) == 1:
                self._tasks.create_task(self._read_waiting())
        return await future

    async def _read_waiting(self) -> None:
        # Fields of one level ask one after the other within a turn or two of the loop.
        for _ in range(3):
            await asyncio.sleep(0)
        keys, self._waiting = self._waiting, []
        by_type: dict[str, list[str]] = {}
        for type_, id_ in keys:
            by_type.setdefault(type_, []).append(id_)
        for type_, ids in by_type.items():
            for start in range(0, len(ids), TOGETHER):
                await self._read(type_, ids[start : start + TOGETHER])

    async def _read(self, type_: str, ids: list[str]) -> None:
        try:
            nodes = await self._nodes(type_, ids)
        except Exception as error:  # noqa: BLE001 - whoever waits gets it, and tells the caller
            for future in self._unanswered(type_, ids):
                future.set_exception(error)
                # Where the request has ended meanwhile nobody fetches it; that is no fault.
                future.exception()
            return
        for id_ in ids:
            for future in self._unanswered(type_, [id_]):
                future.set_result(nodes.get(id_))

    def _unanswered(self, type_: str, ids: list[str]) -> list[asyncio.Future[Node | None]]:
        """Return what still waits for these; an ended request has cancelled its own."""
        found = (self._found[type_, id_] for id_ in ids)
        return [future for future in found if not future.done()]

    async def _nodes(self, type_: str, ids: list[str]) -> dict[str, Node]:
        if len(ids) == 1:
            try:
                return {ids[0]: await self._session.read(type_, ids[0])}
            except (NotFound, Gone, Forbidden):
                return {}
        pairs = [("_id", ",".join(ids)), ("_count", str(len(ids)))]
        try:
            found = await self._session.find(type_, pairs)
        except Forbidden:
            return {}
        return {node.value["id"]: node for node in found.nodes}


def _contained(id_: str, resource: Json) -> Node | None:
    if not id_:
        return Node(resource, resource)
    for one in resource.get("contained", ()):
        if one.get("id") == id_:
            return Node(one, resource)
    return None
