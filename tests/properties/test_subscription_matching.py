"""What the index of Subscriptions finds is what asking every one of them finds.

The real admission, filing and matching over tables held in memory, against brute force: each
Subscription's text is read by the search language anew, and every change is held against it.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from random import Random
from typing import Any, Literal, cast
from urllib.parse import quote
from uuid import UUID

import orjson
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from fhirserver.auth import visible
from fhirserver.definitions import load
from fhirserver.definitions.patient_of import patients_of
from fhirserver.kernel.canonical import (
    BACKPORT,
    TOPIC_PATIENT_OBSERVATION,
    TOPIC_RESOURCE_CHANGE,
)
from fhirserver.kernel.changes import Change
from fhirserver.kernel.principal import Access, Grant, Principal
from fhirserver.kernel.resource import Json, Stored
from fhirserver.search.entry import Entry
from fhirserver.search.extract import entries_of
from fhirserver.search.match import matches
from fhirserver.search.query import parse
from subscriptions.core.client_subscription import with_owner
from subscriptions.core.filter_criteria import BadFilter, demands, search_demand
from subscriptions.response.channel_secrets import ChannelSecrets
from subscriptions.response.matching import Matching
from subscriptions.response.shipped_topics import topics
from subscriptions.response.subscription_index import SubscriptionIndex
from subscriptions.store import cursor_rows
from tests.properties.search_samples import RESOURCES, request
from tests.properties.search_surroundings import PARAMETERS

NOW = datetime(2026, 8, 1, tzinfo=UTC)
TOPICS = topics(lambda _tenant: load(), "https://fhir.example/fhir")
CATALOG = TOPICS.of(1)
TYPES = ("Observation", "Patient", "Encounter", "Task")
OWNERS = (
    Access(Principal(1, "admin", ""), everything=True),
    Access(
        Principal(1, "practitioner", "Practitioner/one"), everything=False, patients=frozenset("x")
    ),
    Access(
        Principal(1, "practitioner", "Practitioner/two"),
        everything=False,
        patients=frozenset(("ann", "bob")),
    ),
)
TEAMS = {"ann": frozenset(("CareTeam/t1", "CareTeam/t2")), "bob": frozenset(("CareTeam/t2",))}
CLINICS = {"ann": "Organization/north", "bob": "Organization/south"}
FACTS = (
    "care-team=CareTeam/t1",
    "care-team=CareTeam/t2,CareTeam/t9",
    "organization=Organization/north",
    "organization=south",
)


@dataclass(eq=False)
class Tables:
    """A transaction on the two tables of the index, and what is appended."""

    tenant: int = 1
    now: datetime = NOW
    rows: list[Json] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    questions: int = 0
    events: list[tuple[str, str]] = field(default_factory=list)

    def new_id(self, patient: str | None) -> str:
        return str(UUID(int=len(self.events)))

    @property
    def stamp(self) -> str | None:
        return str(len(self.names)) if self.names else None

    def blind(self, domain: str, value: str) -> int:
        digest = blake2b(f"{domain} {value}".encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big", signed=True)

    def bucket(self, patient: str | None, kind: str, identity: str) -> int:
        return 7

    async def seal(self, patient: str | None, purpose: str, plaintext: bytes) -> bytes:
        return purpose.encode() + plaintext[::-1]

    async def unseal(self, patient: str | None, purpose: str, envelope: bytes) -> bytes:
        return envelope.removeprefix(purpose.encode())[::-1]

    async def versions(self, wanted: Mapping[tuple[str, str], Any]) -> Mapping[Any, Any]:
        found = {}
        for type_, id_ in wanted:
            assert type_ == "Patient"
            if id_ in CLINICS:
                content = {"managingOrganization": {"reference": CLINICS[id_]}}
                stored = Stored(type_, id_, 1, NOW, deleted=False, content=orjson.dumps(content))
                found[type_, id_] = [stored]
        return found

    def execute_later(self, sql: str, args: Any) -> None:
        if sql.startswith("DELETE FROM subscription_match"):
            self.rows = [one for one in self.rows if one["subscription"] != args[1]]
        elif sql.startswith("INSERT INTO subscription_match"):
            columns = ("buckets", "keys", "required", "residual")
            for bucket, key, required, residual in zip(*(args[c] for c in columns), strict=True):
                assert bucket == key % 1024
                row = {"key": key, "required": orjson.loads(required), "residual": residual}
                self.rows.append({**args, **row})
        elif sql.startswith("INSERT INTO subscription_anchor"):
            self.names += [one for one in args["names"] if one not in self.names]
        elif sql.startswith("INSERT INTO event"):
            subscriptions, _, types, ids = (column.split(",") for column in args[4:8])
            focuses = [f"{type_}/{id_}" for type_, id_ in zip(types, ids, strict=True)]
            self.events += zip(focuses, subscriptions, strict=True)

    async def execute(self, sql: str, args: Any = ()) -> list[tuple[Any, ...]]:
        self.questions += 1
        if "care_membership" in sql:
            return [(one, team[9:]) for one in args[1] for team in TEAMS.get(one, ())]
        if sql.startswith("SELECT stamp, names"):
            return [(self.stamp, list(self.names))] if self.names else []
        assert "LEFT JOIN" in sql
        columns = ("key", "subscription", "topic", "required", "residual", "plain")
        found = [
            (self.stamp, *(row[c] for c in columns), row["owner_kind"], row["owner"])
            for row in self.rows
            if row["key"] in args["keys"] and (row["ends"] is None or row["ends"] > args["now"])
        ]
        return found or [(self.stamp, *[None] * 8)]


class Eyes:
    """The access decision over three fixed owners."""

    async def accesses(self, _tx: Any, owners: Sequence[Grant]) -> Mapping[Grant, Access]:
        return {one: _access(one.principal) for one in owners}


def _access(principal: Principal) -> Access:
    return next(one for one in OWNERS if one.principal == principal)


@dataclass(frozen=True)
class Sample:
    """A Subscription, and what it says once more in a form that brute force reads."""

    resource: Json
    topic: str
    types: tuple[str, ...] | None
    pairs: tuple[tuple[str, str], ...]
    facts: tuple[str, ...]
    owner: Access
    ended: bool


class Samples:
    """Draws Subscriptions that have a fair chance to want some of the resources at hand."""

    def __init__(self, dice: Random, resources: Sequence[Json]) -> None:
        self._dice = dice
        self._resources = resources

    def draw(self, number: int) -> Sample | None:
        """A Subscription, None where the filters drawn are refused."""
        dice = self._dice
        topic = dice.choice(("plain", TOPIC_RESOURCE_CHANGE, TOPIC_PATIENT_OBSERVATION))
        type_ = "Observation" if topic == TOPIC_PATIENT_OBSERVATION else dice.choice(TYPES)
        pairs = tuple(self._pair(topic, type_) for _ in range(dice.choice((0, 1, 2, 2, 3))))
        facts = () if topic == "plain" or type_ == "Patient" else self._facts(type_)
        criteria, filters = self._texts(topic, type_, pairs, facts)
        found = CATALOG.find(TOPIC_RESOURCE_CHANGE if topic == "plain" else topic)
        assert found is not None
        try:
            if topic == "plain":
                search_demand(found, criteria)
            else:
                demands(found, filters)
        except BadFilter:
            return None
        owner = dice.choice(OWNERS)
        end = dice.choice((None, None, NOW + timedelta(days=1), NOW))
        resource: Json = {
            "resourceType": "Subscription",
            "id": f"s{number}",
            "status": dice.choice(("active", "requested", "error", "off")),
            "criteria": criteria,
            "_criteria": {
                "extension": [
                    {"url": BACKPORT + "backport-filter-criteria", "valueString": text}
                    for text in filters
                ]
            },
            "channel": {"type": "rest-hook"},
            **({} if end is None else {"end": end.isoformat()}),
        }
        return Sample(
            with_owner(resource, owner.principal),
            topic,
            (type_,) if pairs or facts or topic == "plain" or filters else None,
            pairs,
            facts,
            owner,
            end == NOW,
        )

    def _pair(self, topic: str, type_: str) -> tuple[str, str]:
        codes = PARAMETERS[type_] - {"_lastUpdated"}
        if topic == TOPIC_PATIENT_OBSERVATION:
            codes = {"patient", "code", "status"}
        types = {code: load().search_parameters(type_)[code].type for code in codes}
        entries: list[Entry] = [
            entry
            for one in self._resources
            if one["resourceType"] == type_
            for entry in entries_of(one, load())
        ]
        return request(self._dice, types, entries, "ann")

    def _facts(self, _type: str) -> tuple[str, ...]:
        return tuple(self._dice.sample(FACTS, self._dice.choice((0, 0, 0, 1))))

    def _texts(
        self,
        topic: str,
        type_: str,
        pairs: Sequence[tuple[str, str]],
        facts: Sequence[str],
    ) -> tuple[str, list[str]]:
        query = "&".join([*(f"{name}={quote(value)}" for name, value in pairs), *facts])
        if topic == "plain":
            return (f"{type_}?{query}" if query else type_), []
        if not query:
            return topic, []
        if self._dice.random() < 0.5:
            return topic, [f"{type_}?{part}" for part in query.split("&")]
        return topic, [f"{type_}?{query}"]


def _wants(sample: Sample, change: Change) -> bool:
    """Whether a Subscription wants a change: read anew, with nothing of the index."""
    resource = change.resource or change.previous
    assert resource is not None
    if sample.resource["status"] == "off" or sample.ended:
        return False
    if sample.types is not None and change.type not in sample.types:
        return False
    if sample.topic == "plain" and change.action == "delete":
        return False
    if sample.topic == TOPIC_PATIENT_OBSERVATION and (
        change.type != "Observation" or change.action == "delete"
    ):
        return False
    for pair in sample.pairs:
        query = parse(change.type, [pair], load(), base="https://fhir.example/fhir")
        if not matches(resource, query, load()):
            return False
    if not all(_is_fact(text, change.patient) for text in sample.facts):
        return False
    return visible(sample.owner, change.type, orjson.dumps(resource, default=str))


def _is_fact(text: str, patient: str | None) -> bool:
    name, _, values = text.partition("=")
    wanted = set(values.split(","))
    if patient is None:
        return False
    if name == "care-team":
        return bool(wanted & TEAMS.get(patient, frozenset()))
    return CLINICS.get(patient, "").removeprefix("Organization/") in {
        one.removeprefix("Organization/") for one in wanted
    }


def _change(dice: Random, resource: Json) -> Change:
    patients = patients_of(resource)
    patient = next(iter(patients)) if len(patients) == 1 else None
    action: Literal["create", "update", "delete"] = dice.choice(("create", "update", "delete"))
    now, before = resource, resource
    return Change(
        1,
        action,
        resource["resourceType"],
        resource["id"],
        1,
        7,
        patient,
        None if action == "delete" else now,
        None if action == "create" else before,
    )


async def _follow(_tx: Any, _new: Any) -> None:
    """Keep no cursor: this is about finding, not about delivering."""


async def _written(tx: Tables, index: SubscriptionIndex, sample: Sample) -> None:
    id_ = sample.resource["id"]
    change = Change(1, "create", "Subscription", id_, 1, 7, None, sample.resource, None)
    await index.changed(cast("Any", tx), [change])


@given(data=st.data(), dice=st.randoms(use_true_random=False))
# Shrinking would take minutes: what fails is printed with everything that is needed to read it.
@settings(max_examples=12, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
def test_the_index_finds_what_asking_everybody_finds(data: st.DataObject, dice: Random) -> None:
    resources = [data.draw(RESOURCES[dice.choice(TYPES)]) for _ in range(6)]
    drawn = (Samples(dice, resources).draw(number) for number in range(60))
    samples = [one for one in drawn if one is not None]
    changes = [_change(dice, one) for one in resources]
    expected = [
        (f"{change.type}/{change.id}", sample.resource["id"])
        for change in changes
        for sample in samples
        if _wants(sample, change)
    ]
    asyncio.run(_index_agrees(samples, changes, expected))


async def _index_agrees(
    samples: Sequence[Sample], changes: Sequence[Change], expected: Sequence[tuple[str, str]]
) -> None:
    tx = Tables()
    index = SubscriptionIndex(TOPICS, cast("Any", None), ChannelSecrets())
    matching = Matching(TOPICS, cast("Any", Eyes()))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cursor_rows, "follow", _follow)
        for sample in samples:
            await _written(tx, index, sample)
    await matching.changed(cast("Any", tx), changes)
    assert _owed(tx.events) == _owed(expected), _differences(tx.events, expected, samples, changes)
    # The second time, the process knows what it has to ask for.
    tx.events, tx.questions = [], 0
    await matching.changed(cast("Any", tx), changes)
    assert _owed(tx.events) == _owed(expected)
    facts_asked = any(one.facts for one in samples)
    assert tx.questions <= 1 + (len(changes) if facts_asked else 0)


def _owed(events: Sequence[tuple[str, str]]) -> Mapping[str, Sequence[str]]:
    """What each Subscription is told of, in order."""
    owed: dict[str, list[str]] = {}
    for focus, subscription in events:
        owed.setdefault(subscription, []).append(focus)
    return owed


def _differences(
    found: Sequence[tuple[str, str]],
    expected: Sequence[tuple[str, str]],
    samples: Sequence[Sample],
    changes: Sequence[Change],
) -> str:
    wrong = set(found) ^ set(expected)
    return "\n".join(
        [
            f"too many {sorted(set(found) - set(expected))}, missing {sorted(set(expected) - set(found))}"
        ]
        + [str(one) for one in samples if one.resource["id"] in {id_ for _, id_ in wrong}]
        + [str(one) for one in changes if f"{one.type}/{one.id}" in {focus for focus, _ in wrong}]
    )
