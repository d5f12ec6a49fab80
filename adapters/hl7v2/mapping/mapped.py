"""What a mapping makes of a message: resources that know each other by name, and what shall become of those we have."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

from fhirserver.kernel.resource import Json

Mode = Literal["merge", "replace", "create", "refer"]
# How a resource of the same message is referred to, before anything has an id.
BY_NAME: Final = "urn:hl7v2:"


@dataclass(frozen=True, slots=True)
class MappedResource:
    """One resource. References to others are ``urn:hl7v2:<name>``.

    `match`: searches (``identifier=...``, percent-encoded) that find it, tried in order; empty: it is always new.
    `mode`: ``merge`` what is known with what is said, element by element; ``replace`` all of it; ``create`` it unless
    it is there; ``refer`` to what is there, creating it only where nothing is.
    `touched`: elements the mapping speaks of; `cleared`: those of them the sender said NULL of. `initially`: what a new
    one has besides.
    """

    name: str
    type: str
    content: Json
    match: tuple[str, ...]
    mode: Mode
    touched: frozenset[str]
    cleared: frozenset[str]
    initially: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Merge:
    """Two records are one: the resource called `survivor` goes on, whatever the searches `retired` find ends in it."""

    survivor: str
    retired: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Mapped:
    """Everything a message says in resources. `moment` (UTC): when what it says was recorded (EVN-2, else MSH-7)."""

    resources: tuple[MappedResource, ...]
    merges: tuple[Merge, ...]
    moment: datetime | None = None
