"""What is agreed with one sender: everything a message leaves open."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from typing import Any, Final, Literal, TypeVar

from adapters.metrics import unit_of
from fhirserver.wire.hl7v2.message import Part, Segment
from fhirserver.wire.hl7v2.timestamp import Timestamp, read_timestamp

Meaning = TypeVar("Meaning")
_REMEMBERED: Final = 5000


@dataclass(frozen=True, slots=True)
class Sender:
    """One sender of messages.

    `zone` is that of times without offset. `clock` ``synchronized``: what it says is old is old (IHE Consistent Time).
    `identifiers`: system by assigning authority. `devices`: EUI-64 by model and serial (``SIM100/00042``), for those
    that name none. `codes`: MDC code by reference id or local code; `units`: UCUM by whatever is sent. `interval`: how
    many seconds apart its machines send. `reuses_ids`: its control ids come again, with other messages. `accepts`: the
    kinds of messages it may send (``ORU^R01``, ``ADT^*``), None: all.
    """

    name: str
    zone: tzinfo = UTC
    charset: str = "utf-8"
    clock: Literal["unverified", "synchronized"] = "unverified"
    interval: int = 30
    reuses_ids: bool = False
    accepts: tuple[str, ...] | None = None
    identifiers: Mapping[str, str] = field(default_factory=dict)
    devices: Mapping[str, str] = field(default_factory=dict)
    codes: Mapping[str, str] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    # Each sender's own: what is made of one that is given to `replace` must not be shared.
    _meanings: dict[tuple[str, str], Any] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    _lines: dict[tuple[str, ...], Any] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def meaning(self, part: Part, kind: str, find: Callable[[Part, "Sender"], Meaning]) -> Meaning:
        """Return what `find` makes of `part`, found once: a machine says the same codes and units every second.

        `kind` tells one `find` from another; what comes of a part must depend on its text and on this sender alone.
        """
        if not part.is_standard:
            return find(part, self)
        key = (kind, part.raw)
        known = self._meanings.get(key, self)
        if known is not self:
            return known  # type: ignore[no-any-return]  # what `find` returned
        if len(self._meanings) >= _REMEMBERED:
            self._meanings.clear()
        self._meanings[key] = found = find(part, self)
        return found

    def known(self, key: tuple[str, ...], find: Callable[[], Meaning]) -> Meaning:
        """Return what `find` makes of the texts `key`, found once; it must depend on them and on this sender alone."""
        found = self._lines.get(key, self)
        if found is not self:
            return found  # type: ignore[no-any-return]  # what `find` returned
        if len(self._lines) >= _REMEMBERED:
            self._lines.clear()
        self._lines[key] = made = find()
        return made

    def may_send(self, kind: str) -> bool:
        """Return whether messages of `kind` (``ADT^A40``) are agreed with this sender."""
        return self.accepts is None or any(
            one == kind or (one.endswith("*") and kind.startswith(one[:-1])) for one in self.accepts
        )

    def unit(self, text: str) -> str:
        """Return the UCUM code of a unit as sent; an unknown spelling comes back unchanged."""
        return unit_of(self.units.get(text, text))

    def timestamp(self, text: str | None) -> Timestamp | None:
        """Return the timestamp written in `text`, None where there is none or it cannot be read."""
        if not text:
            return None
        try:
            return read_timestamp(text)
        except ValueError:
            return None

    def moment(self, segment: Segment, field_: int) -> datetime | None:
        """Return the moment in a field of `segment` (UTC), None where there is none or it cannot be read."""
        text = segment.text(field_)
        return _moment(text, self.zone) if text else None


@lru_cache(maxsize=4096)
def _moment(text: str, zone: tzinfo) -> datetime | None:
    """Return the moment written in `text`; a machine says it of each of its lines."""
    try:
        return read_timestamp(text).instant(zone)
    except ValueError:
        return None
