"""Makes the notifications of many websockets in one transaction, each text once.

Subscriptions of one owner that are owed the same events in the same form get one Bundle, built and
written with marks, and filled in for each (`core.notification_template`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final, NamedTuple
from uuid import UUID

from fhirserver.kernel.keys import id_of
from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.resource import Json
from fhirserver.wire.fhir_xml import Unprintable
from subscriptions.channels import disclosure
from subscriptions.channels.bound import Bound
from subscriptions.channels.websocket import CODE
from subscriptions.core.notification_template import Template, marks
from subscriptions.core.payload import render
from subscriptions.core.websocket_binding import Frame, Want
from subscriptions.response.notifications import Notifications, Told
from subscriptions.store import event_rows
from subscriptions.store.event_rows import EventRow, Wanted

# Subscriptions named in one event of the audit.
_TOLD_TOGETHER: Final = 100


class _Order(NamedTuple):
    """A notification to be made, with its events."""

    bound: Bound
    want: Want
    rows: Sequence[EventRow]

    @property
    def through(self) -> int:
        return self.rows[-1].number if self.rows else self.want.after


async def frames(
    tx: Transaction, notifications: Notifications, asked: Sequence[tuple[Bound, Want]]
) -> list[tuple[Bound, Frame | None]]:
    """Return the frame for each of `asked`; None where none of the wanted events is kept any more."""
    orders, empty = await _orders(tx, asked)
    groups = list(_groups(orders))
    told = [_told(tx, group) for group in groups]
    bundles = await notifications.bundles(tx, told)
    made: list[tuple[Bound, Frame | None]] = [(bound, None) for bound in empty]
    for group, one, bundle in zip(groups, told, bundles, strict=True):
        text = await _text(tx, notifications, one, bundle, group[0].bound.wanted.payload)
        for order, own in _filled(text, one, group):
            through = order.through if order.rows else None
            made.append((order.bound, Frame(order.want.key, order.want.kind, through, own)))
    _disclose(tx, orders)
    return made


def _disclose(tx: Transaction, orders: Sequence[_Order]) -> None:
    """Tell the audit of the notifications that carry events; one that a socket breaks off is made and told again.

    What one recipient is told of the same patients at a time is told together, with the Subscriptions by name.
    """
    told: dict[tuple[str, frozenset[str]], list[str]] = {}
    for order in orders:
        if order.rows:
            to = order.bound.holder
            patients = frozenset(row.patient for row in order.rows if row.patient is not None)
            told.setdefault((to.reference or to.kind, patients), []).append(order.want.key[1])
    for (recipient, patients), subscriptions in told.items():
        for begin in range(0, len(subscriptions), _TOLD_TOGETHER):
            some = subscriptions[begin : begin + _TOLD_TOGETHER]
            disclosure.of_parcel(tx, some, patients, "", recipient, CODE, "handed-over")


async def _text(
    tx: Transaction, notifications: Notifications, told: Told, bundle: Json, payload: str | None
) -> str:
    """Return `bundle` written as `payload`; by names alone where XML has no way to say what is in it."""
    try:
        return render(bundle, payload).decode()
    except Unprintable:
        named = await notifications.bundle(tx, replace(told, content="id-only"))
        return render(named, payload).decode()


async def _orders(
    tx: Transaction, asked: Sequence[tuple[Bound, Want]]
) -> tuple[list[_Order], list[Bound]]:
    wanted = [
        Wanted(want.key[1], want.after, want.through, bound.batch)
        for bound, want in asked
        if want.kind == "event-notification"
    ]
    rows = await event_rows.numbered_of(tx, wanted)
    orders: list[_Order] = []
    empty: list[Bound] = []
    for bound, want in asked:
        several: Sequence[EventRow] = ()
        if want.kind == "event-notification":
            several = rows.get(want.key[1], ())
            if not several:
                empty.append(bound)
                continue
        orders.append(_Order(bound, want, several))
    return orders, empty


def _groups(orders: Sequence[_Order]) -> Iterator[list[_Order]]:
    """Yield `orders` together that differ in Subscription and numbers only; others alone."""
    groups: dict[object, list[_Order]] = {}
    for order in orders:
        about = tuple([_about(row) for row in order.rows])
        alike: object = (order.want.key[0], order.bound.form, about)
        groups.setdefault(alike if about else id(order), []).append(order)
    yield from groups.values()


def _about(row: EventRow) -> tuple[object, ...]:
    return row.action, row.focus_type, row.focus_id, row.focus_version, row.patient, row.at


def _told(tx: Transaction, group: Sequence[_Order]) -> Told:
    """Return the Bundle to be made for `group`: with marks when it is to be filled in for several."""
    order, draw = group[0], UUID(tx.new_id(None))
    told = Told(
        subscription=order.bound.resource,
        topic=order.bound.topic,
        kind=order.want.kind,
        rows=order.rows,
        status="active",
        through=order.through,
        at=tx.now,
        entry_id=draw,
    )
    if len(group) == 1:
        return told
    at = marks(draw, len(order.rows))
    rows = [row._replace(number=mark) for row, mark in zip(order.rows, at.numbers, strict=True)]
    marked = {**order.bound.resource, "id": at.subscription}
    return replace(told, subscription=marked, rows=rows, through=at.numbers[-1])


def _filled(text: str, told: Told, group: Sequence[_Order]) -> Iterator[tuple[_Order, str]]:
    """Yield each order of `group` with its own text."""
    if len(group) == 1:
        yield group[0], text
        return
    template = Template.cut(text, marks(told.entry_id, len(group[0].rows)))
    for place, order in enumerate(group, start=1):
        # The entry's id was drawn for this text alone; those beside it are nobody else's either.
        entry_id = id_of(UUID(int=told.entry_id.int ^ place))
        numbers = [row.number for row in order.rows]
        yield order, template.fill(order.want.key[1], entry_id, numbers)
