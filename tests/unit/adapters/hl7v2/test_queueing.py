"""Which messages are committed together: alarms first, no machine in two batches, no batch that is hardly worth it."""

from datetime import UTC, datetime

from adapters.hl7v2.coming import Coming, messages_in
from adapters.hl7v2.queueing import Queue
from adapters.hl7v2.sites import Peer
from tests.unit.adapters.hl7v2.machine_messages import (
    ALARM,
    EUI,
    MACHINE,
    PATIENT,
    SITES,
    facets,
    header,
    message,
    venous,
)

NOW = datetime(2026, 8, 1, 10, tzinfo=UTC)


def coming(raw: str) -> Coming:
    (found,) = messages_in(raw.encode(), NOW, Peer("127.0.0.1"), SITES)
    assert found.refusal is None
    return found


def measures(control_id: str, machine: int = 1) -> Coming:
    eui = f"{machine:016X}"
    raw = message(header(control_id=control_id), PATIENT, MACHINE, venous()).replace(EUI, eui)
    return coming(raw)


def alarm(control_id: str, machine: int = 1) -> Coming:
    top = header("ORU^R40^ORU_R40", control_id=control_id)
    return coming(message(top, PATIENT, ALARM, *facets()).replace(EUI, f"{machine:016X}"))


def queue_of(*waiting: Coming) -> Queue[str]:
    queue: Queue[str] = Queue()
    for one in waiting:
        assert one.key is not None
        queue.add(one, one.key[1])
    return queue


def names(queue: Queue[str]) -> list[str]:
    return [one.answer for one in queue.next()]


def test_alarms_come_first_and_the_rest_as_it_came() -> None:
    queue = queue_of(measures("m-1"), alarm("a-1", 2), measures("m-2", 3))
    assert names(queue) == ["a-1", "m-1", "m-2"]
    assert names(queue) == []


def test_many_are_halved_so_that_two_batches_are_under_way() -> None:
    queue = queue_of(*(measures(f"m-{number}", number) for number in range(50)))
    first, second = names(queue), names(queue)
    assert first == [f"m-{number}" for number in range(25)]
    assert second == [f"m-{number}" for number in range(25, 50)]
    assert names(queue) == []


def test_few_wait_for_the_end_of_the_batch_before_and_alarms_do_not() -> None:
    queue = queue_of(measures("m-1"))
    batch = queue.next()
    queue.add(measures("m-2", 2), "m-2")
    assert names(queue) == []
    queue.add(alarm("a-1", 3), "a-1")
    assert names(queue) == ["a-1", "m-2"]
    queue.done(batch)
    assert names(queue) == []


def test_a_machine_is_in_one_batch_at_a_time() -> None:
    queue = queue_of(measures("m-1", 1))
    batch = queue.next()
    queue.add(alarm("a-1", 1), "a-1")
    queue.add(alarm("a-2", 2), "a-2")
    assert names(queue) == ["a-2"]
    queue.done(batch)
    assert names(queue) == ["a-1"]


def test_the_same_message_is_in_one_batch_once_and_in_one_at_a_time() -> None:
    queue = queue_of(measures("m-1"), measures("m-1"), measures("m-2"))
    batch = queue.next()
    assert [one.answer for one in batch] == ["m-1", "m-2"]
    assert names(queue) == []
    queue.done(batch)
    assert names(queue) == ["m-1"]


def test_a_batch_has_its_bound() -> None:
    queue = queue_of(*(measures(f"m-{number}", number) for number in range(700)))
    assert [len(queue.next()) for _ in range(3)] == [256, 256, 0]
