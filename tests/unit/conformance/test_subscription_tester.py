"""How checks end and what a run of them amounts to."""

from typing import Any, cast

import httpx
import pytest

from conformance.subscriptions.check import (
    Check,
    Failed,
    Level,
    Outcome,
    Result,
    Scene,
    Skipped,
    as_json,
    conforms,
    perform,
)
from conformance.subscriptions.notification import Unreadable
from conformance.subscriptions.scene import TOPICS, topics_of
from conformance.subscriptions.stimulus import Stimulus, preferred, template_for
from conformance.subscriptions.subscription import CONTENT, FILTER, MAX_COUNT, TIMEOUT, Wish
from conformance.subscriptions.tester import CHECKS

SCENE = cast("Scene", None)


async def _ended(problem: Exception | None) -> Result:
    async def run(_: Scene) -> str:
        if problem is not None:
            raise problem
        return "as it should"

    return await perform(Check("c", "SHALL", "something", run), SCENE)


@pytest.mark.parametrize(
    ("problem", "outcome"),
    [
        (None, "passed"),
        (Failed("not so"), "failed"),
        (Skipped("not here"), "skipped"),
        (Unreadable("no Bundle"), "failed"),
        (httpx.ConnectError("nobody there"), "failed"),
        (TimeoutError(), "failed"),
    ],
)
async def test_every_end_has_a_reason(problem: Exception | None, outcome: Outcome) -> None:
    result = await _ended(problem)
    assert result.outcome == outcome
    assert result.reason


async def test_a_fault_of_the_tester_itself_is_not_the_servers() -> None:
    with pytest.raises(ZeroDivisionError):
        await _ended(ZeroDivisionError())


def result(outcome: Outcome, level: Level = "SHALL") -> Result:
    return Result("c", level, "something", outcome, "because", 0.1)


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        ([result("passed")], True),
        ([result("passed"), result("failed", "SHOULD"), result("failed", "MAY")], True),
        ([result("passed"), result("failed")], False),
        ([result("skipped")], False),
        ([], False),
    ],
)
def test_a_server_conforms_when_no_shall_failed_and_something_passed(
    results: list[Result], expected: bool
) -> None:
    assert conforms(results) is expected
    assert as_json("http://x", None, results)["conforms"] is expected


def test_names_of_checks_are_unique_and_each_says_what_it_wants() -> None:
    names = [check.name for check in CHECKS]
    assert len(names) == len(set(names))
    assert all(check.requirement for check in CHECKS)


def test_every_row_of_a_tester_is_among_them() -> None:
    names = {check.name for check in CHECKS}
    assert names >= {
        "capability-profile", "topic-discovery", "create-requested", "handshake-after-answer",
        "event-notification", "heartbeat", "empty", "id-only", "full-resource", "status", "headers",
        "content-type", "reject-topic", "reject-filter", "reject-channel-type", "reject-endpoint",
        "reject-payload-type", "reject-payload-channel", "reject-cross-version",
    }  # fmt: skip


def test_topics_are_read_from_the_capability_statement() -> None:
    extension = [{"url": TOPICS, "valueCanonical": "http://t/a"}, {"url": "http://other"}]
    resource: dict[str, Any] = {"type": "Subscription", "extension": extension}
    assert topics_of({"rest": [{"resource": [{"type": "Patient"}, resource]}]}) == ["http://t/a"]
    assert topics_of({}) == []


def test_a_known_topic_is_found_and_fired_by_a_resource_about_the_patient() -> None:
    topic = preferred(["http://x/unknown", "http://x/admission|1.0", "http://x/device-alert"])
    assert topic == "http://x/device-alert"
    assert preferred(["http://x/unknown"]) is None
    template = template_for("http://x/admission|1.0")
    assert template is not None
    stimulus = Stimulus("p1", template)
    assert stimulus.resource()["subject"] == {"reference": "Patient/p1"}
    assert stimulus.filter == "Encounter?patient=Patient/p1"


def test_a_subscription_says_what_was_wished() -> None:
    wish = Wish("http://t", "http://h", filters=("patient=1",), timeout=3, max_count=2)
    resource = wish.resource(id_="s")
    assert resource["_criteria"]["extension"] == [{"url": FILTER, "valueString": "patient=1"}]
    assert resource["channel"]["_payload"]["extension"] == [
        {"url": CONTENT, "valueCode": "id-only"}
    ]
    assert {one["url"] for one in resource["channel"]["extension"]} == {TIMEOUT, MAX_COUNT}
    bare = Wish("http://t", None, channel="websocket", content=None, payload=None).resource()
    assert bare["channel"] == {"type": "websocket"}
