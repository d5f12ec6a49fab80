"""All sockets of a process over cursors kept in memory: no database, no network, no waiting."""

import json
from datetime import timedelta

import pytest

from fhirserver.crypto.secret_digest import secret_digest
from fhirserver.kernel.errors import Unavailable
from subscriptions.channels import sockets
from subscriptions.channels.bound import Socket
from subscriptions.channels.sockets import Sockets
from subscriptions.core.websocket_binding import (
    BAD_TOKEN,
    ENDED,
    GOING_AWAY,
    NO_ACCESS,
    TAKEN_OVER,
    UNFIT,
)
from subscriptions.store.binding_rows import BindingToken
from tests.unit.subscriptions.channels.memory import (
    NINA,
    T0,
    Store,
    offer,
    process,
    stored,
    subscription,
    token,
)


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Store:
    return stored(monkeypatch)


async def bound(hub: Sockets, *ids: str) -> Socket:
    socket = hub.open()
    assert socket is not None
    for id_ in ids:
        assert await hub.bind(socket, token(id_)) is None
    return socket


async def heard(
    hub: Sockets, socket: Socket, *, confirm: bool = True
) -> list[tuple[str, str, str]]:
    """Let the loops run, and return what was written to `socket`: (Subscription, kind, numbers)."""
    found: list[tuple[str, str, str]] = []
    while True:
        await hub.look()
        await hub.make()
        conversation = socket.conversation
        sent = 0
        while (frame := conversation.next(hub.clock())) is not None:
            said = json.loads(frame.text)
            found.append((said["of"], said["kind"], ",".join(said["numbers"])))
            sent += 1
        if confirm:
            conversation.confirmed(conversation.mark)
            hub.arrived(socket)
        if not sent:
            return found


async def test_binding_greets_and_events_follow(store: Store) -> None:
    hub = process(store)
    socket = await bound(hub, "s1")
    assert await heard(hub, socket) == [("s1", "handshake", "")]
    store.happen("s1", 2)
    assert not store.happenings
    assert await heard(hub, socket) == [("s1", "event-notification", "1,2")]
    (told,) = store.happenings
    assert told.what == "disclosed"
    assert told.patients == {"ann"}
    await hub.record()
    assert store.cursors["s1"].delivered_through == 2


async def test_what_was_missed_comes_in_batches_of_max_count(store: Store) -> None:
    offer(store, "s1", max_count=2)
    store.happen("s1", 5)
    hub = process(store)
    socket = await bound(hub, "s1")
    assert await heard(hub, socket) == [
        ("s1", "handshake", ""),
        ("s1", "event-notification", "1,2"),
        ("s1", "event-notification", "3,4"),
        ("s1", "event-notification", "5"),
    ]


async def test_what_was_not_confirmed_is_sent_again_on_the_next_socket(store: Store) -> None:
    hub = process(store)
    first = await bound(hub, "s1")
    store.happen("s1", 2)
    await heard(hub, first)
    store.happen("s1", 1)
    assert await heard(hub, first, confirm=False) == [("s1", "event-notification", "3")]
    hub.gone(first)
    second = await bound(hub, "s1")
    assert await heard(hub, second) == [
        ("s1", "handshake", ""),
        ("s1", "event-notification", "3"),
    ]


async def test_after_a_kill_another_process_goes_on(store: Store) -> None:
    killed, other = process(store), process(store)
    first = await bound(killed, "s1")
    store.happen("s1", 2)
    await heard(killed, first)
    await killed.record()
    store.happen("s1", 2)
    second = await bound(other, "s1")
    assert await heard(other, second) == [
        ("s1", "handshake", ""),
        ("s1", "event-notification", "3,4"),
    ]


async def test_a_process_that_lost_a_cursor_sends_and_records_nothing_more(store: Store) -> None:
    old, new = process(store), process(store)
    first = await bound(old, "s1")
    await heard(old, first)
    await bound(new, "s1")
    store.happen("s1", 1)
    assert await heard(old, first) == []
    assert first.close == TAKEN_OVER
    assert store.cursors["s1"].delivered_through == 0


@pytest.mark.parametrize("loop", ["check", "renew"])
async def test_a_takeover_elsewhere_is_noticed_by(store: Store, loop: str) -> None:
    old, new = process(store), process(store)
    first = await bound(old, "s1")
    await bound(new, "s1")
    await getattr(old, loop)()
    assert first.close == TAKEN_OVER


async def test_a_newer_socket_of_the_same_process_takes_over_at_once(store: Store) -> None:
    hub = process(store)
    first = await bound(hub, "s1", "s2")
    store.happen("s1", 1)
    await heard(hub, first)
    second = await bound(hub, "s1")
    assert first.close == TAKEN_OVER
    assert await heard(hub, second) == [("s1", "handshake", "")], "what arrived is not repeated"
    hub.gone(first)
    await hub.record()
    assert store.cursors["s1"].lease_until is not None
    assert store.cursors["s2"].lease_until is None


async def test_one_event_for_many_is_built_once(store: Store) -> None:
    hub = process(store)
    ids = [f"m{number}" for number in range(300)]
    listeners = []
    for id_ in ids:
        offer(store, id_)
        listeners.append(await bound(hub, id_))
    await hub.make()
    for listener in listeners:
        while listener.conversation.next(store.now):
            pass
    for id_ in ids:
        store.happen(id_)
    before, built = store.transactions, store.built
    await hub.look()
    await hub.make()
    texts = [listener.conversation.next(store.now) for listener in listeners]
    said = [json.loads(frame.text) for frame in texts if frame is not None]
    assert [one["of"] for one in said] == ids
    assert {one["numbers"][0] for one in said} == {"1"}
    assert {one["through"] for one in said} == {"1"}
    assert len({one["id"] for one in said}) == 300
    assert store.transactions - before == 2
    assert store.built - built == 2


async def test_alerts_come_with_a_heartbeat_that_stops_while_the_server_is_not_well(
    store: Store,
) -> None:
    hub = process(store)
    socket = await bound(hub, "s1")
    assert await heard(hub, socket) == [("s1", "handshake", "")]

    async def after_ten_seconds() -> list[str]:
        store.now += timedelta(seconds=10)
        await hub.tick()
        return [kind for _, kind, _ in await heard(hub, socket)]

    # Nobody asked for one: it is the topic of alerts.
    assert await after_ten_seconds() == ["heartbeat"]
    assert await after_ten_seconds() == ["heartbeat"]
    store.is_well = False
    assert await after_ten_seconds() == []
    store.happen("s1", 1)
    assert await after_ten_seconds() == ["event-notification"]
    assert await after_ten_seconds() == []
    store.is_well = True
    assert await after_ten_seconds() == ["heartbeat"]


async def test_an_unknown_token_opens_nothing(store: Store) -> None:
    hub = process(store)
    socket = hub.open()
    assert socket is not None
    assert await hub.bind(socket, "token-none") == BAD_TOKEN
    store.now += timedelta(hours=2)
    assert await hub.bind(socket, token("s1")) == BAD_TOKEN


async def test_who_may_not_see_the_subscription_any_more_binds_nothing(store: Store) -> None:
    hub = process(store)
    store.patients.clear()
    socket = hub.open()
    assert socket is not None
    assert await hub.bind(socket, token("s1")) == NO_ACCESS
    assert store.cursors["s1"].epoch == 0


async def test_a_token_for_several_binds_those_that_are_left(store: Store) -> None:
    hub = process(store)
    store.tokens[secret_digest("all")] = BindingToken(NINA, ("s1", "s2"), T0 + timedelta(hours=1))
    store.resources["s1"]["status"] = "off"
    socket = hub.open()
    assert socket is not None
    assert await hub.bind(socket, "all") is None
    assert await heard(hub, socket) == [("s2", "handshake", "")]
    store.resources["s2"]["status"] = "off"
    other = hub.open()
    assert other is not None
    assert await hub.bind(other, "all") == ENDED


async def test_losing_access_ends_the_socket_when_the_epoch_moves(store: Store) -> None:
    hub = process(store)
    socket = await bound(hub, "s1")
    await hub.check()
    store.patients.clear()
    await hub.check()
    assert socket.close is None, "nothing says that anything changed"
    store.epoch += 1
    await hub.check()
    assert socket.close == NO_ACCESS


async def test_a_membership_that_runs_out_ends_the_socket_too(store: Store) -> None:
    hub = process(store)
    socket = await bound(hub, "s1")
    await hub.check()
    store.patients.clear()
    store.now += sockets.DECIDE_EVERY
    await hub.check()
    assert socket.close == NO_ACCESS


@pytest.mark.parametrize("status", ["off", "error", None])
async def test_a_subscription_that_ends_ends_its_socket(store: Store, status: str | None) -> None:
    hub = process(store)
    socket = await bound(hub, "s1")
    if status is None:
        del store.cursors["s1"]
    else:
        store.edit("s1", status=status)
    await hub.check()
    assert socket.close == ENDED


async def test_at_its_end_a_subscription_is_switched_off(store: Store) -> None:
    hub = process(store)
    store.resources["s1"]["end"] = "2026-03-04T05:10:00Z"
    socket = await bound(hub, "s1")
    await hub.check()
    assert store.resources["s1"]["status"] == "active"
    store.now += timedelta(minutes=4)
    await hub.check()
    assert store.resources["s1"]["status"] == "off"
    await hub.check()
    assert socket.close == ENDED


async def test_an_edit_is_taken_in_before_the_next_notification(store: Store) -> None:
    hub = process(store)
    socket = await bound(hub, "s1")
    await heard(hub, socket)
    store.resources["s1"] = subscription("s1", max_count=1)
    store.edit("s1")
    store.happen("s1", 2)
    assert await heard(hub, socket) == [
        ("s1", "event-notification", "1"),
        ("s1", "event-notification", "2"),
    ]
    assert socket.close is None


async def test_one_that_cannot_be_made_stops_nobody_else(store: Store) -> None:
    hub = process(store)
    bad, good = await bound(hub, "s1"), await bound(hub, "s2")
    store.unfit.add("s1")
    assert await heard(hub, good) == [("s2", "handshake", "")]
    assert bad.close == UNFIT
    assert good.close is None


async def test_while_the_database_is_away_nothing_is_lost(store: Store) -> None:
    hub = process(store)
    socket = await bound(hub, "s1")
    store.is_away = True
    with pytest.raises(Unavailable):
        await hub.make()
    store.is_away = False
    store.happen("s1", 1)
    assert await heard(hub, socket) == [
        ("s1", "handshake", ""),
        ("s1", "event-notification", "1"),
    ]
    store.is_away = True
    with pytest.raises(Unavailable):
        await hub.record()
    store.is_away = False
    await hub.record()
    assert store.cursors["s1"].delivered_through == 1


async def test_events_that_are_no_longer_kept_hold_nothing_up(store: Store) -> None:
    hub = process(store)
    store.happen("s1", 3)
    store.events["s1"].clear()
    socket = await bound(hub, "s1")
    assert await heard(hub, socket) == [("s1", "handshake", "")]
    await hub.record()
    assert store.cursors["s1"].delivered_through == 3
    store.happen("s1", 1)
    assert await heard(hub, socket) == [("s1", "event-notification", "4")]


async def test_a_server_that_stops_ends_all_and_takes_none(store: Store) -> None:
    hub = process(store)
    socket = await bound(hub, "s1")
    hub.gone(socket)
    await hub.close()
    assert store.cursors["s1"].lease_until is None
    assert hub.open() is None
    other = process(store)
    open_ = await bound(other, "s2")
    open_.end(GOING_AWAY)
    assert open_.close == GOING_AWAY
