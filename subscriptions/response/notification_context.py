"""What events are about and what goes with it, as those who are told of it may see it.

Everything is read for all Bundles of a transaction together: the focuses in their versions, and round
by round what the notification shapes of the topics lead to. Each reader's rights decide afterwards.

Spec: https://hl7.org/fhir/R4B/subscriptiontopic-definitions.html#SubscriptionTopic.notificationShape
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import structlog

from fhirserver.kernel.errors import BadRequest, TooCostly
from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.principal import Access
from fhirserver.kernel.resource import Json, Stored
from fhirserver.search.entry import ReferenceEntry
from fhirserver.search.extract import entries_of
from fhirserver.search.query import parse
from fhirserver.wire import fhir_json
from subscriptions.core.notification import Focus
from subscriptions.core.topic import Topic
from subscriptions.response.ports import OwnerSearch, Visibility
from subscriptions.store.event_rows import EventRow

MAX_CONTEXT: Final = 50
"""Resources beside the focuses that one Bundle brings along: the shape of a topic is no promise."""

_MAX_READ: Final = 1000
_MAX_ROUNDS: Final = 3
_NAMES_AT_ONCE: Final = 100
_log = structlog.get_logger("notifications")

Versions = Mapping[tuple[str, str], Sequence[Stored]]


@dataclass(slots=True)
class Part:
    """The events of one Bundle: who is told, what they are about, and what goes with each."""

    topic: Topic | None
    access: Access
    focuses: Sequence[Focus | None]
    context: list[tuple[Json, ...]] = field(init=False)

    def __post_init__(self) -> None:
        self.context = [()] * len(self.focuses)

    def shaped(self) -> Iterator[tuple[int, Topic, Json]]:
        """Go through the focuses that something may go with: place, topic and resource."""
        for place, focus in enumerate(self.focuses):
            if self.topic is None or focus is None or focus.resource is None:
                continue
            if not self.topic.shape(focus.type).is_empty:
                yield place, self.topic, focus.resource


class Seen:
    """What was read of the resources that events are about; each version is parsed once."""

    def __init__(self, visibility: Visibility, versions: Versions) -> None:
        """`versions` of each resource: the current one first."""
        self._visibility = visibility
        self._versions = versions
        self._parsed: dict[tuple[str, str, int], Json] = {}

    def focus(self, access: Access, row: EventRow) -> Focus | None:
        """Return what the event `row` is about, None when `access` may not know of it."""
        versions = self._versions.get((row.focus_type, row.focus_id), ())
        current = versions[0] if versions else None
        if current is not None and not current.deleted and not self.sees(access, current):
            return None
        then = next((one for one in versions if one.version == told_by(row)), current)
        if then is None or then.deleted:
            if access.everything:
                return Focus(row.action, row.focus_type, row.focus_id, None)
            return None
        if not self.sees(access, then):
            return None
        resource = None if row.action == "delete" else self.read(then)
        return Focus(row.action, row.focus_type, row.focus_id, resource)

    def sees(self, access: Access, stored: Stored) -> bool:
        """Return whether `access` covers reading this version."""
        return self._visibility.sees(access, stored)

    def read(self, stored: Stored) -> Json:
        """Return the content of a version."""
        key = (stored.type, stored.id, stored.version)
        found = self._parsed.get(key)
        if found is None:
            found = self._parsed[key] = fhir_json.read_own(stored.content)
        return found


class NotificationContext:
    """Finds what goes with the focuses of many Bundles."""

    def __init__(self, seen: Seen, search: OwnerSearch | None) -> None:
        """Without `search` nothing that refers to a focus is found."""
        self._seen = seen
        self._search = search
        self._known: dict[str, Stored | None] = {}
        self._found: dict[tuple[Access, str, str, tuple[str, ...]], Sequence[Json]] = {}

    async def look(self, tx: Transaction, parts: Sequence[Part]) -> None:
        """Fill in the context of each of `parts`, at most `MAX_CONTEXT` resources a Bundle."""
        shaped = [(part, *one) for part in parts for one in part.shaped()]
        if not shaped:
            return
        beside: dict[tuple[int, int], dict[str, Json]] = {
            (id(part), place): {} for part, place, _, _ in shaped
        }
        frontier = shaped
        for number in range(_MAX_ROUNDS):
            led = [
                (part, place, topic, name)
                for part, place, topic, resource in frontier
                for name in _references(topic, part, place, resource, included=number > 0)
            ]
            await self._read(tx, [name for *_, name in led])
            frontier = []
            for part, place, topic, name in led:
                target = self._known.get(name)
                found = beside[id(part), place]
                if target is None or name in found or not self._seen.sees(part.access, target):
                    continue
                found[name] = self._seen.read(target)
                frontier.append((part, place, topic, found[name]))
            if not frontier:
                break
        if self._search is not None:
            for part in parts:
                await self._referring(tx, self._search, part, beside)
        for part in parts:
            _fill(part, beside)

    async def _read(self, tx: Transaction, names: Iterable[str]) -> None:
        """Read what is not known yet of `names`."""
        unknown = sorted(set(names) - self._known.keys())[:_MAX_READ]
        places = {name: _place(name) for name in unknown}
        is_type = tx.definitions.is_resource_type
        wanted = {place: frozenset[int]() for place in places.values() if is_type(place[0])}
        stored = await tx.versions(wanted)
        for name, place in places.items():
            self._known[name] = stored[place][0] if place in stored else None

    async def _referring(
        self,
        tx: Transaction,
        search: OwnerSearch,
        part: Part,
        beside: Mapping[tuple[int, int], dict[str, Json]],
    ) -> None:
        """Add what refers to the focuses of `part`: one search per parameter, as its reader."""
        asked: dict[tuple[str, str], dict[str, list[int]]] = {}
        for place, topic, resource in part.shaped():
            for way in topic.shape(resource["resourceType"]).referrers():
                asked.setdefault(way, {}).setdefault(_name(resource), []).append(place)
        for (type_, code), places in asked.items():
            for names in _stretches(tuple(places)):
                key = (part.access, type_, code, names)
                if key not in self._found:
                    self._found[key] = await _matches(tx, search, *key)
                for one in self._found[key]:
                    for name in _refers(one, code, tx):
                        for place in places.get(name, ()):
                            beside[id(part), place][_name(one)] = one


def told_by(row: EventRow) -> int:
    """Return the version an event is told by: of a deletion, the last one before it."""
    return row.focus_version - 1 if row.action == "delete" else row.focus_version


def _references(
    topic: Topic, part: Part, place: int, resource: Json, *, included: bool
) -> Sequence[str]:
    focus = part.focuses[place]
    shape = topic.shape(resource["resourceType"] if focus is None else focus.type)
    return shape.references(resource, included=included)


def _fill(part: Part, beside: Mapping[tuple[int, int], dict[str, Json]]) -> None:
    room = MAX_CONTEXT
    for place, _, resource in part.shaped():
        own = _name(resource)
        others = [one for name, one in beside[id(part), place].items() if name != own]
        part.context[place] = tuple(others[:room])
        room -= len(part.context[place])


async def _matches(
    tx: Transaction,
    search: OwnerSearch,
    access: Access,
    type_: str,
    code: str,
    names: Sequence[str],
) -> Sequence[Json]:
    pairs = [(code, ",".join(names)), ("_count", str(MAX_CONTEXT))]
    try:
        page = await search(access, parse(type_, pairs, tx.definitions))
    except (BadRequest, TooCostly) as refusal:
        # What goes with a focus is no promise; the event itself must not wait for it.
        _log.warning("not included", type=type_, parameter=code, reason=str(refusal))
        return ()
    return [fhir_json.read_own(one.content) for one in page.entries]


def _stretches(names: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for start in range(0, len(names), _NAMES_AT_ONCE):
        yield names[start : start + _NAMES_AT_ONCE]


def _refers(resource: Json, code: str, tx: Transaction) -> Iterator[str]:
    for entry in entries_of(resource, tx.definitions, code):
        if isinstance(entry, ReferenceEntry) and entry.type is not None and entry.id is not None:
            yield f"{entry.type}/{entry.id}"


def _name(resource: Json) -> str:
    return f"{resource['resourceType']}/{resource['id']}"


def _place(name: str) -> tuple[str, str]:
    type_, _, id_ = name.partition("/")
    return type_, id_
