"""Finds the Subscriptions a change is an event for, and appends what they are owed.

However many changes a transaction has, and however many Subscriptions there are: one question finds
the candidates, one more decides what their owners may see, one statement appends the events.
"""

from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final, cast

from fhirserver.auth import who_may
from fhirserver.auth.kept_scopes import grant_in
from fhirserver.kernel.changes import Change
from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.principal import Access, Grant, Principal, PrincipalKind
from fhirserver.kernel.readings import StreamedObservation
from fhirserver.kernel.resource import Json
from subscriptions.core.filing import keys_of_change
from subscriptions.core.topic import Topic
from subscriptions.core.topic_catalog import Catalog, Topics
from subscriptions.response.patient_facts import PatientFacts
from subscriptions.response.ports import Visibility
from subscriptions.store import event_rows, match_rows
from subscriptions.store.event_rows import NewEvent
from subscriptions.store.match_rows import Anchor, Found, MatchRow

_RESIDUALS: Final = 4096
_KINDS: Final = 65_536
_STREAMED: Final = "Observation"
# Kind and reference as a row has them; without either, the server itself.
Owner = tuple[str | None, str | None]


@dataclass(frozen=True, slots=True)
class _Fired:
    """A change that is an event of a topic. `resource` is what it left, or what was deleted."""

    topic: Topic
    change: Change
    resource: Json
    is_newest: bool

    @property
    def event(self) -> NewEvent:
        """What each of its Subscriptions is owed."""
        change = self.change
        return NewEvent(change.action, change.type, change.id, change.version, change.patient)

    def is_meant_by(self, canonical: str) -> bool:
        """Whether a Subscription to this canonical is about this version of the topic."""
        url, pinned, version = canonical.partition("|")
        if url != self.topic.url:
            return False
        return version == self.topic.version if pinned else self.is_newest

    def needs_facts(self, names: AbstractSet[str]) -> bool:
        """Whether any of the filters `names` looks at more than the changed resource."""
        return _asks_facts(self.topic, self.change.type, names)

    def keys(self, names: AbstractSet[str], facts: PatientFacts) -> frozenset[str]:
        """Return the keys of the filters `names`, and those of nobody's filter."""
        about = facts.about(self.change.patient)
        return keys_of_change(self.topic, self.resource, names, about)

    def seen_by(self, accesses: Mapping[Owner, Access]) -> Mapping[Owner, bool]:
        """Return of each owner whether their access covers reading what changed."""
        return who_may(accesses, "read", self.resource)


@dataclass(frozen=True, slots=True)
class _Known:
    """The filters under which Subscriptions of a tenant are filed, as they were at `stamp`."""

    stamp: str | None
    anchors: Mapping[tuple[str, str], AbstractSet[str]]

    def names(self, fired: _Fired) -> AbstractSet[str]:
        """Return those that a change may be found by."""
        return self.of(fired.topic, fired.change.type)

    def of(self, topic: Topic, type_: str) -> AbstractSet[str]:
        """Return those of one topic and resource type."""
        return self.anchors.get((topic.url, type_), frozenset())


_NOTHING: Final = _Known(None, {})


@dataclass(frozen=True, slots=True)
class _KindKeys:
    """Under which keys Observations of one kind are looked for, with `topics` and anchors of `stamp`."""

    stamp: str | None
    topics: Sequence[Topic]
    keys: frozenset[int]

    def answers(self, stamp: str | None, topics: Sequence[Topic]) -> bool:
        """Whether nothing changed that they depend on."""
        return self.stamp == stamp and self.topics == topics


class Matching:
    """Matches changes to Subscriptions; access is decided here and again when sent."""

    def __init__(self, topics: Topics, visibility: Visibility) -> None:
        """Match by `topics`; ask `visibility` for Subscriptions that have an owner."""
        self._topics = topics
        self._visibility = visibility
        self._known: dict[int, _Known] = {}
        self._residuals: dict[tuple[int, bytes], tuple[str, ...]] = {}
        self._kinds: dict[tuple[int, Hashable | None], _KindKeys] = {}

    async def changed(self, tx: Transaction, changes: Sequence[Change]) -> None:
        """Append an event for each Subscription that each of `changes` concerns."""
        fired = _fired(self._topics.of(tx.tenant), changes)
        if not fired:
            return
        facts = PatientFacts(tx)
        wanted: list[tuple[_Fired, MatchRow]] = []
        for one, rows in await self._candidates(tx, fired, facts):
            wanted += [(one, row) for row in rows if await self._meets(tx, one, row, facts)]
        events = await self._visible(tx, wanted) if wanted else ()
        if events:
            await event_rows.append(tx, events)

    async def streamed(self, tx: Transaction, observations: Sequence[StreamedObservation]) -> None:
        """Append an event for each Subscription that each of these new Observations concerns.

        There are thousands a second. What their kind says of them suffices to see that nobody asks
        for most; only the others are looked at one by one.
        """
        topics = [
            topic
            for topic in self._topics.of(tx.tenant).watching(_STREAMED)
            if not topic.is_internal
        ]
        kinds = {one.kind: one for one in observations}
        if not topics or not kinds:
            return
        facts = PatientFacts(tx)

        async def keys(known: _Known) -> Sequence[frozenset[int]]:
            if any(_asks_facts(topic, _STREAMED, known.of(topic, _STREAMED)) for topic in topics):
                await facts.learn({one.patient for one in kinds.values() if one.patient})
            return [self._keys_of_kind(tx, one, topics, known, facts) for one in kinds.values()]

        found, by_kind = await self._ask(tx, keys)
        asked_for = {
            kind
            for kind, own in zip(kinds, by_kind, strict=True)
            if any(key in found.rows for key in own)
        }
        changes = [_created(tx, one) for one in observations if one.kind in asked_for]
        if changes:
            await self.changed(tx, changes)

    def _keys_of_kind(
        self,
        tx: Transaction,
        example: StreamedObservation,
        topics: Sequence[Topic],
        known: _Known,
        facts: PatientFacts,
    ) -> frozenset[int]:
        """Return the keys under which somebody may be filed who wants Observations like this one."""
        filters = [known.of(topic, _STREAMED) for topic in topics]
        # Where nobody is filed under a filter, what an Observation says does not matter: all are of one kind.
        place = tx.tenant, example.kind if any(filters) else None
        remembered = self._kinds.get(place)
        if remembered is not None and remembered.answers(known.stamp, topics):
            return remembered.keys
        resource = example.resource()
        keys: set[int] = set()
        is_lasting = True
        for topic, names in zip(topics, filters, strict=True):
            texts = keys_of_change(topic, resource, names, facts.about(example.patient))
            keys |= _hashes(tx, texts)
            # What is known of a patient changes without the stamp.
            is_lasting = is_lasting and not _asks_facts(topic, _STREAMED, names)
        found = frozenset(keys)
        if is_lasting:
            if len(self._kinds) >= _KINDS:
                self._kinds.clear()
            self._kinds[place] = _KindKeys(known.stamp, topics, found)
        return found

    async def _candidates(
        self, tx: Transaction, fired: Sequence[_Fired], facts: PatientFacts
    ) -> Sequence[tuple[_Fired, Sequence[MatchRow]]]:
        """Return for each what is filed under its keys, each Subscription once, in order of ids."""

        async def keys(known: _Known) -> Sequence[frozenset[int]]:
            needing = (one for one in fired if one.needs_facts(known.names(one)))
            await facts.learn({one.change.patient for one in needing if one.change.patient})
            return [_hashes(tx, one.keys(known.names(one), facts)) for one in fired]

        found, by_change = await self._ask(tx, keys)
        return [
            (one, _concerned(one, own, found.rows))
            for one, own in zip(fired, by_change, strict=True)
        ]

    async def _ask(
        self, tx: Transaction, keys: Callable[[_Known], Awaitable[Sequence[frozenset[int]]]]
    ) -> tuple[Found, Sequence[frozenset[int]]]:
        """Return who is filed under what `keys` gives, and what it gave.

        A process remembers which filters anybody is filed under. Whether it remembers rightly comes
        with the answer, and where it does not, the question is asked again with the right ones.
        """
        while True:
            known = self._known.get(tx.tenant, _NOTHING)
            asked = await keys(known)
            found = await match_rows.candidates(tx, sorted(frozenset[int]().union(*asked)))
            if found.stamp == known.stamp:
                return found, asked
            stamp, anchors = await match_rows.anchors(tx)
            self._known[tx.tenant] = _Known(stamp, _by_type(anchors))

    async def _meets(
        self, tx: Transaction, fired: _Fired, row: MatchRow, facts: PatientFacts
    ) -> bool:
        """Whether a candidate also meets everything it was not found by."""
        if row.plain and fired.change.action == "delete":
            return False
        if row.required:
            names = frozenset(name for name, _ in row.required)
            if fired.change.patient is not None and fired.needs_facts(names):
                await facts.learn([fired.change.patient])
            values = _hashes(tx, fired.keys(names, facts))
            if not all(alternatives & values for _, alternatives in row.required):
                return False
        if row.residual is None:
            return True
        texts = await self._residual(tx, row, row.residual)
        return all(fired.topic.test(text).holds(fired.resource) for text in texts)

    async def _residual(self, tx: Transaction, row: MatchRow, sealed: bytes) -> tuple[str, ...]:
        key = tx.tenant, sealed
        texts = self._residuals.get(key)
        if texts is None:
            if len(self._residuals) >= _RESIDUALS:
                self._residuals.clear()
            texts = self._residuals[key] = await match_rows.residual(tx, row, sealed)
        return texts

    async def _visible(
        self, tx: Transaction, wanted: Sequence[tuple[_Fired, MatchRow]]
    ) -> Sequence[tuple[NewEvent, str]]:
        """Return the events of those whose owners may see what changed, in the order of changes."""
        owners = {(row.owner_kind, row.owner) for _, row in wanted}
        known = {owner: grant for owner in owners if (grant := _owner(tx, owner))}
        found = await self._visibility.accesses(tx, set(known.values())) if known else {}
        accesses = {owner: found[grant] for owner, grant in known.items()}
        # There may be a thousand rows of one change: whatever is the same for all is asked once.
        changes = {id(one): one for one, _ in wanted}
        owed = {place: one.event for place, one in changes.items()}
        seen = {place: one.seen_by(accesses) for place, one in changes.items()}
        return [
            (owed[id(one)], row.subscription)
            for one, row in wanted
            # Who has no owner is the server's own.
            if seen[id(one)].get((row.owner_kind, row.owner), True)
        ]


def _fired(catalog: Catalog, changes: Iterable[Change]) -> Sequence[_Fired]:
    found = []
    for change in changes:
        resource = change.resource if change.resource is not None else change.previous
        if resource is None:
            continue
        for topic in catalog.watching(change.type):
            if not topic.is_internal and topic.fires(change):
                newest = catalog.find(topic.url) is topic
                found.append(_Fired(topic, change, resource, is_newest=newest))
    return found


def _created(tx: Transaction, stored: StreamedObservation) -> Change:
    bucket = tx.bucket(stored.patient, _STREAMED, stored.id)
    resource = stored.resource()
    return Change(
        tx.tenant, "create", _STREAMED, stored.id, 1, bucket, stored.patient, resource, None
    )


def _asks_facts(topic: Topic, type_: str, names: AbstractSet[str]) -> bool:
    filters = topic.filters(type_) if names else {}
    return any(name in filters and filters[name].source != "focus" for name in names)


def _concerned(
    fired: _Fired, keys: Iterable[int], rows: Mapping[int, Sequence[MatchRow]]
) -> Sequence[MatchRow]:
    """Return those that are filed under `keys` and mean this version of the topic."""
    found = {
        row.subscription: row
        for key in keys
        for row in rows.get(key, ())
        if fired.is_meant_by(row.topic)
    }
    return [found[id_] for id_ in sorted(found)]


def _by_type(anchors: Iterable[Anchor]) -> Mapping[tuple[str, str], AbstractSet[str]]:
    found: dict[tuple[str, str], set[str]] = {}
    for topic, type_, name in anchors:
        found.setdefault((topic, type_), set()).add(name)
    return found


def _hashes(tx: Transaction, keys: Iterable[str]) -> frozenset[int]:
    return frozenset(match_rows.key_hash(tx, key) for key in keys)


def _owner(tx: Transaction, owner: Owner) -> Grant | None:
    """Return what the filed owner has in hand: a reference, and on a second line what narrows it."""
    kind, text = owner
    if kind is None or text is None:
        return None
    reference, _, held = text.partition("\n")
    principal = Principal(tx.tenant, cast("PrincipalKind", kind), reference)
    return grant_in(held, principal) if held else Grant(principal)
