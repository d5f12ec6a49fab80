"""The examples of docs/subscriptions.md do what the guide says."""

import re
from datetime import UTC, datetime
from typing import Any, Final

import pytest

from conformance.subscriptions.notification import bundle_faults
from fhirserver.validation import validate
from fhirserver.wire import fhir_json
from subscriptions.channels.egress import Egress
from subscriptions.channels.registry import Tools, by_code, shipped
from subscriptions.core import backoff, timing
from subscriptions.core.endpoint import EndpointPolicy
from subscriptions.core.notification_signature import signature_headers
from subscriptions.core.subscription_check import (
    LARGEST_BATCH,
    LONGEST_TIMEOUT,
    SHORTEST_HEARTBEAT,
    Offer,
    check,
)
from subscriptions.response import shipped_topics
from subscriptions.worker import parcels
from tests.architecture.repository import rows, text

GUIDE: Final = "docs/subscriptions.md"
POLICY: Final = EndpointPolicy(allow_insecure=False)
TOOLS: Final = Tools(Egress(POLICY), "https://fhir.example.org/fhir")
NOW: Final = datetime(2026, 8, 1, 9, 30, tzinfo=UTC)


def examples(kind: str) -> list[dict[str, Any]]:
    blocks = re.findall(r"```json\n(.*?)```", text(GUIDE), re.DOTALL)
    found = [fhir_json.read(block.encode()) for block in blocks]
    return [one for one in found if one["resourceType"] == kind]


def program(containing: str) -> dict[str, Any]:
    """Run the Python example that holds this text, and return what it defines."""
    blocks: list[str] = re.findall(r"```python\n(.*?)```", text(GUIDE), re.DOTALL)
    (source,) = (block for block in blocks if containing in block)
    names: dict[str, Any] = {"__name__": "example"}
    exec(compile(source, GUIDE, "exec"), names)
    return names


@pytest.mark.parametrize("number", range(3))
def test_the_subscriptions_are_taken(number: int) -> None:
    subscription = examples("Subscription")[number]
    assert [p for p in validate(subscription) if p.severity != "warning"] == []
    offer = Offer(shipped_topics.shipped(), by_code(shipped(TOOLS, None)), POLICY)
    assert check(subscription, None, offer, NOW) == []


def test_the_notification_is_one() -> None:
    (bundle,) = examples("Bundle")
    assert [p for p in validate(bundle) if p.severity != "warning"] == []
    assert bundle_faults(bundle, "s1", "id-only") == []


def test_the_receiver_knows_our_signature() -> None:
    is_ours = program("def is_ours")["is_ours"]
    secret = "choose 32 characters or more, at random"
    sent = datetime.now(UTC)
    pairs = signature_headers(secret, "m1", sent, b"{}")
    headers = {name.lower(): value for name, value in pairs}
    assert is_ours(secret, headers, b"{}")
    assert not is_ours(secret, headers, b"{ }")
    assert not is_ours(secret + "x", headers, b"{}")
    assert not is_ours(secret, {**headers, "webhook-id": "m2"}, b"{}")
    old = signature_headers(secret, "m1", NOW, b"{}")
    assert not is_ours(secret, {name.lower(): value for name, value in old}, b"{}")


def test_the_pager_is_a_channel() -> None:
    made = program("class Pager")["pager"](TOOLS)
    assert made.code in by_code(shipped(TOOLS, None), [made])


def test_the_bounds_are_those_of_the_code() -> None:
    given = rows(GUIDE, "## What you can ask for")
    table = {row[0].strip("`"): row[2] for row in given}
    without = {row[0].strip("`"): row[3] for row in given}
    assert without["backport-timeout"] == str(parcels.DEFAULT_TIMEOUT)
    assert without["backport-max-count"] == str(parcels.DEFAULT_BATCH)
    assert table["backport-timeout"] == f"1 - {LONGEST_TIMEOUT}"
    assert table["backport-heartbeat-period"] == f"{SHORTEST_HEARTBEAT} -"
    assert table["backport-max-count"] == f"1 - {LARGEST_BATCH}"
    document = text(GUIDE)
    assert "ten minutes" in document
    assert timing.GIVE_UP_AFTER.total_seconds() == 600
    assert "72 hours" in document
    assert timing.KEEP_EVENTS.total_seconds() == 72 * 3600
    assert "(0.5 s to 60 s" in document
    assert backoff.FIRST_DELAY.total_seconds() == 0.5
    assert backoff.LONGEST_DELAY.total_seconds() == 60
