"""What the lines of Subscription.channel.header say of messages: which kind, from whom to whom, and what refusals mean."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal, cast, get_args

from fhirserver.kernel.canonical import (
    TOPIC_ADMISSION,
    TOPIC_ALERT_ANSWER,
    TOPIC_DEVICE_ALERT,
    TOPIC_PATIENT_OBSERVATION,
)

MessageKind = Literal["ORU^R01", "ORU^R40", "ORA^R41", "ADT"]
Policy = Literal["retry", "set-aside", "stop"]

# Of shipped topics: the only messages their events can become.
_KIND_OF_TOPIC: Final[Mapping[str, MessageKind]] = {
    TOPIC_PATIENT_OBSERVATION: "ORU^R01",
    TOPIC_DEVICE_ALERT: "ORU^R40",
    TOPIC_ALERT_ANSWER: "ORA^R41",
    TOPIC_ADMISSION: "ADT",
}
_PLACES: Final = {f"msh-{number}": number for number in (3, 4, 5, 6)}
_POLICIES: Final = ("on-ae", "on-ar")
_SENDER: Final = "sender"
_SENDER_NAME: Final = re.compile(r"[^|]{1,100}")
_PLACE: Final = re.compile(r"[A-Za-z0-9 ._:/-]{1,100}(?:\^[A-Za-z0-9 ._:/-]{0,100}){0,2}")


@dataclass(frozen=True, slots=True)
class Asked:
    """`places`: the text of MSH-3 to MSH-6, by number. `on_error`, `on_reject`: what AE and AR mean for the delivery.

    `sender`: whose alarms are answered by ORA^R41, by its name in the site's files.
    """

    kind: MessageKind
    places: Mapping[int, str]
    on_error: Policy = "retry"
    on_reject: Policy = "retry"
    sender: str = ""


def header_faults(headers: Iterable[str], topic: str) -> Iterator[str]:
    """Yield what is wrong with the header lines of a Subscription on `topic` (a canonical)."""
    pairs = list(_pairs(headers))
    names = [name for name, _ in pairs]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"{name} stands twice"
    for name, value in pairs:
        if name in _PLACES:
            if _PLACE.fullmatch(value) is None:
                yield f"{name} is a name, or a name with its universal id and the kind of it (A^1.2.3^ISO)"
        elif name in _POLICIES:
            if value not in get_args(Policy):
                yield f"{name} is one of {', '.join(get_args(Policy))}"
        elif name == _SENDER:
            if _SENDER_NAME.fullmatch(value) is None:
                yield f"{name} is the name of a sender in the site's files"
        elif name != "message":
            yield (
                f"unknown header {name!r}: there are message, MSH-3 to MSH-6, on-AE, on-AR and sender"
            )
    said = dict(pairs)
    yield from _kind_faults(said.get("message"), topic.partition("|")[0])
    if (said.get("message") == "ORA^R41") != (_SENDER in said):
        yield "a header 'sender: ' says whose alarms ORA^R41 answers, and stands with no other message"


def _kind_faults(kind: str | None, topic: str) -> Iterator[str]:
    if kind not in get_args(MessageKind):
        yield f"a header 'message: ' says which messages: {', '.join(get_args(MessageKind))}"
    elif _KIND_OF_TOPIC.get(topic, kind) != kind:
        yield f"events of this topic are told by {_KIND_OF_TOPIC[topic]}"


def asked(headers: Iterable[str]) -> Asked:
    """Return what header lines without faults say."""
    said = dict(_pairs(headers))
    return Asked(
        cast("MessageKind", said["message"]),
        {number: said[name] for name, number in _PLACES.items() if name in said},
        cast("Policy", said.get("on-ae", "retry")),
        cast("Policy", said.get("on-ar", "retry")),
        said.get(_SENDER, ""),
    )


def _pairs(headers: Iterable[str]) -> Iterator[tuple[str, str]]:
    for line in headers:
        name, _, value = line.partition(":")
        yield name.strip().lower(), value.strip()
