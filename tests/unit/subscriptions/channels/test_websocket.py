"""What a Subscription for a websocket may and may not say, and where its clients are sent."""

from dataclasses import replace

import pytest

from subscriptions.channels.websocket import WEBSOCKET
from subscriptions.core.client_subscription import Wishes
from subscriptions.core.endpoint import EndpointPolicy
from subscriptions.operations.get_ws_binding_token import websocket_url

PLAIN_WISHES = Wishes(
    topic="https://w3id.org/fhirserver/SubscriptionTopic/device-alert",
    filters=(),
    plain=False,
    channel="websocket",
    custom_channel=None,
    endpoint=None,
    payload="application/fhir+json",
    content="id-only",
    headers=(),
    heartbeat=30,
    timeout=None,
    max_count=10,
    end=None,
)


def places(wishes: Wishes) -> list[str]:
    return [one.expression for one in WEBSOCKET.faults(wishes, EndpointPolicy(False))]


def test_it_is_active_at_once() -> None:
    assert WEBSOCKET.code == "websocket"
    assert not WEBSOCKET.needs_handshake
    assert not WEBSOCKET.custom


def test_a_subscription_with_a_topic_and_a_payload_is_taken() -> None:
    assert places(PLAIN_WISHES) == []
    assert places(replace(PLAIN_WISHES, payload="application/fhir+xml; fhirVersion=4.0")) == []


@pytest.mark.parametrize(
    ("changed", "place"),
    [
        ({"endpoint": "https://ehr.example.org/hook"}, "endpoint"),
        ({"headers": ("Authorization: Bearer x",)}, "header"),
        ({"secret": "x" * 40}, "extension"),
        ({"timeout": 10}, "extension"),
        ({"payload": None}, "payload"),
        ({"payload": "text/plain"}, "payload"),
        ({"payload": "application/fhir+json; fhirVersion=5.0"}, "payload"),
        ({"plain": True}, "type"),
    ],
)
def test_what_a_websocket_cannot_do_is_refused(changed: dict, place: str) -> None:
    assert places(replace(PLAIN_WISHES, **changed)) == [f"Subscription.channel.{place}"]


@pytest.mark.parametrize(
    ("public", "expected"),
    [
        ("http://127.0.0.1:8080", "ws://127.0.0.1:8080/ws/subscriptions"),
        ("https://fhir.example.org", "wss://fhir.example.org/ws/subscriptions"),
        ("https://example.org/clinic/", "wss://example.org/clinic/ws/subscriptions"),
    ],
)
def test_clients_are_sent_to_the_public_url(public: str, expected: str) -> None:
    assert websocket_url(public) == expected
