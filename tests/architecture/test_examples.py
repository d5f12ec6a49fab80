"""The examples in the documents do what the documents say: they are read, taken and understood."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pytest

from adapters.mqtt import messages
from adapters.mqtt.messages import Birth, Event, Rejected, Status, Telemetry, Topic
from fhirserver.definitions import load
from fhirserver.kernel.canonical import LOINC, UCUM
from fhirserver.validation import validate
from fhirserver.wire import fhir_json
from simulator.transports.buffer import read_acknowledgement
from subscriptions.channels.egress import Egress
from subscriptions.channels.registry import Tools, by_code, shipped
from subscriptions.core.care_team import participants
from subscriptions.core.endpoint import EndpointPolicy
from subscriptions.core.filter_criteria import demands
from subscriptions.core.rule_reader import holds, read_order
from subscriptions.core.subscription_check import Offer, check
from subscriptions.core.topic_reader import topic_of
from subscriptions.response import shipped_topics
from subscriptions.watching.heartbeat import SCHEMA as BEAT
from subscriptions.watching.heartbeat import beat_message
from tests.architecture.repository import documents, text
from tests.unit.subscriptions.core.topics import change

NOW: Final = datetime(2026, 8, 1, 9, 30, tzinfo=UTC)
DEVICE: Final = "0A1B2CFFFE3D4E5F"
KINDS: Final[dict[str, tuple[messages.Kind, type]]] = {
    "hd.birth/1": ("birth", Birth),
    "hd.status/1": ("status", Status),
    "hd.tel/1": ("tel", Telemetry),
    "hd.evt/1": ("evt", Event),
}


def examples(document: str | Path) -> list[dict[str, Any]]:
    """The JSON examples of a document."""
    blocks = re.findall(r"```json\n(.*?)```", text(document), re.DOTALL)
    return [fhir_json.read(block.encode()) for block in blocks]


@pytest.mark.parametrize("document", documents(), ids=str)
def test_every_example_is_json(document: Path) -> None:
    examples(document)


def test_every_kind_of_device_message_has_an_example_that_is_understood() -> None:
    seen = set()
    for example in examples("docs/telemetry.md"):
        if "schema" not in example:
            assert read_acknowledgement(fhir_json.write(example)).through
            continue
        if example["schema"] == BEAT:
            said = beat_message(datetime.fromisoformat(example["time"]), timedelta(milliseconds=12))
            assert fhir_json.read(said) == example
            continue
        kind, meaning = KINDS[example["schema"]]
        decoded = messages.decode(Topic("home", DEVICE, kind), fhir_json.write(example))
        assert not isinstance(decoded, Rejected), example
        assert isinstance(decoded, meaning)
        seen.add(example["schema"])
    assert seen == set(KINDS)


def test_the_order_of_own_limits_holds() -> None:
    order, *_ = examples("docs/rules.md")
    (participant,) = examples("docs/alarms.md")
    assert validate(order) == []
    assert holds(order)
    read = read_order(order, 1)
    assert not read.problems
    assert [rule.low for rule in read.rules] == [100]
    team = {"resourceType": "CareTeam", "status": "active", "participant": [participant]}
    assert [(one.member, one.tier) for one in participants(team)] == [("RelatedPerson/bob", 1)]


def test_the_subscription_is_taken() -> None:
    (subscription,) = examples("docs/api.md")
    assert validate(subscription) == []
    policy = EndpointPolicy(allow_insecure=False)
    channels = shipped(Tools(Egress(policy), "https://fhir.example.org/fhir"), None)
    offer = Offer(shipped_topics.shipped(), by_code(channels), policy)
    assert check(subscription, None, offer, NOW) == []


def test_the_topic_is_taken_and_fires_as_it_says() -> None:
    (content,) = examples("docs/topics.md")
    topic = topic_of(content, load())

    def weight(kilograms: str) -> dict[str, Any]:
        quantity = {"value": Decimal(kilograms), "system": UCUM, "code": "kg"}
        code = {"coding": [{"system": LOINC, "code": "29463-7"}]}
        return {
            "resourceType": "Observation",
            "status": "final",
            "code": code,
            "valueQuantity": quantity,
        }

    assert topic.fires(change(weight("90.5")))
    assert topic.fires(change(weight("90.5"), weight("80")))
    assert not topic.fires(change(weight("95"), weight("90.5")))
    assert not topic.fires(change(weight("80")))
    assert demands(topic, ["Observation?patient=ann&date=ge2026"])
