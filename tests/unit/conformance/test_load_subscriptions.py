import json
from typing import Any, cast

import orjson
import pytest

from conformance.load.subscriptions import figures
from conformance.load.subscriptions.delivering import passed
from conformance.load.subscriptions.fast_receiver import FastReceiver, Post, _Connection
from conformance.load.subscriptions.figures import Told, Written
from conformance.load.subscriptions.subscribers import Crowd, Subject
from conformance.subscriptions.subscription import FILTER

WRITTEN = {"Flag/1": Written(10.0, 10.1), "Flag/2": Written(20.0, 20.1)}


def told(path: str, number: int, focus: str | None, at: float) -> Told:
    return Told(path, number, focus, at)


def test_latency_counts_from_request_and_from_answer_to_the_first_post() -> None:
    arrived = [
        told("/a", 1, "Flag/1", 10.15),
        told("/a", 1, "Flag/1", 15.0),  # sent again: the first one counts
        told("/a", 2, "Flag/2", 20.35),
        told("/a", 3, "Flag/of-others", 30.0),
        told("/a", 4, None, 30.0),
    ]
    found = figures.latency(WRITTEN, arrived)
    assert (found["events"], found["arrived"]) == (2, 2)
    assert found["request_to_post_ms"]["max"] == pytest.approx(350.0)
    assert found["answer_to_post_ms"]["p50"] == pytest.approx(50.0)
    assert figures.p99_ms(found) == pytest.approx(350.0)


def test_nothing_arrived_is_no_good_latency() -> None:
    assert figures.p99_ms(figures.latency(WRITTEN, [])) == float("inf")


def test_throughput_counts_notifications_until_the_last_one() -> None:
    arrived = [told("/a", number, None, 100.0 + number / 10) for number in range(1, 21)]
    found = figures.throughput(100.0, arrived, 4)
    assert found["notifications_per_s"] == pytest.approx(10.0)
    assert found["posts"] == 4
    assert figures.throughput(100.0, [], 0)["notifications_per_s"] == 0.0


def test_what_is_missing_repeated_and_out_of_order_is_counted() -> None:
    arrived = [
        *(told("/right", number, None, number) for number in (1, 2, 3)),
        *(told("/again", number, None, number) for number in (1, 2, 2, 3)),
        *(told("/turned", number, None, number) for number in (2, 1, 3)),
        *(told("/holed", number, None, number) for number in (1, 3)),
    ]
    owed = dict.fromkeys(("/right", "/again", "/turned", "/holed", "/silent"), 3)
    assert figures.faults(arrived, owed) == {
        "missing": 4,
        "repeated": 1,
        "disordered_subscriptions": 1,
    }


def test_each_promise_is_judged_by_itself() -> None:
    def steady(ms: float) -> dict[str, Any]:
        return {"request_to_post_ms": {"p99": ms}}

    good = {"missing": 0, "repeated": 0, "disordered_subscriptions": 0}
    kept = passed(steady(200.0), steady(299.0), {"notifications_per_s": 5000.0}, good)
    assert all(kept.values())
    broken = passed(
        steady(251.0), steady(352.0), {"notifications_per_s": 4999.0}, {**good, "missing": 1}
    )
    assert [name for name, value in broken.items() if value] == ["in_order", "nothing_repeated"]


class _Transport:
    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    abort = close


def connected(receiver: FastReceiver) -> tuple[_Connection, _Transport]:
    connection, transport = _Connection(receiver), _Transport()
    connection.connection_made(cast("Any", transport))
    return connection, transport


def request(path: str, body: bytes, more: str = "") -> bytes:
    head = f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n{more}\r\n"
    return head.encode() + body


def test_posts_in_pieces_and_behind_one_another_are_noted_and_answered() -> None:
    receiver = FastReceiver()
    connection, transport = connected(receiver)
    data = request("/a", b"one") + request("/b", b"two", "connection: close\r\n")
    for position in range(0, len(data), 7):
        connection.data_received(data[position : position + 7])
    assert [(post.path, post.body) for post in receiver.posts] == [("/a", b"one"), ("/b", b"two")]
    assert [answer.partition(b"\r\n")[0] for answer in transport.written] == [
        b"HTTP/1.1 200 OK"
    ] * 2
    assert transport.closed


def test_a_dead_path_takes_and_never_answers() -> None:
    receiver = FastReceiver()
    receiver.spoiled["/a"] = "dead"
    connection, transport = connected(receiver)
    connection.data_received(request("/a", b"one"))
    assert len(receiver.posts) == 1
    assert transport.written == []


def test_what_is_not_http_is_cut_off() -> None:
    connection, transport = connected(FastReceiver())
    connection.data_received(b"\x16\x03\x01\x02\x00")
    assert transport.closed


def test_events_are_read_from_posts_and_other_posts_left_out() -> None:
    def notification(kind: str) -> bytes:
        reference = {"reference": "Subscription/s"}
        part = [{"name": "event-number", "valueString": "3"}]
        parameters = [
            {"name": "subscription", "valueReference": reference},
            {"name": "status", "valueCode": "active"},
            {"name": "type", "valueCode": kind},
            {"name": "notification-event", "part": part},
        ]
        resource = {"resourceType": "Parameters", "parameter": parameters}
        return orjson.dumps({"resourceType": "Bundle", "entry": [{"resource": resource}]})

    posts = [
        Post("/a", 1.0, notification("handshake")),
        Post("/a", 2.0, notification("event-notification")),
        Post("/a", 3.0, b"not JSON"),
    ]
    assert figures.told(posts) == [Told("/a", 3, None, 2.0)]


def test_each_subscriber_asks_for_its_patient_and_for_everybodys() -> None:
    crowd = Crowd("run", 2)
    subject = Subject(
        "http://t", {"resourceType": "Flag", "subject": {"reference": "Patient/{{patient}}"}}
    )
    receiver = FastReceiver()
    receiver.url = "http://127.0.0.1:1"
    resource = crowd.subscription(1, subject, receiver)
    (extension,) = resource["_criteria"]["extension"]
    assert extension == {
        "url": FILTER,
        "valueString": "Flag?patient=Patient/run-p1,Patient/run-everybody",
    }
    assert resource["channel"]["endpoint"] == "http://127.0.0.1:1/run-s1"
    written = json.loads(subject.resource("run-p1", "7"))
    assert written == {
        "resourceType": "Flag",
        "id": "7",
        "subject": {"reference": "Patient/run-p1"},
    }
