"""What holds at one site: the senders it has, and its own mappings, tables and names over the shipped ones.

Everything is read and checked at the start; what is wrong is told with every problem at once (`MappingError`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any, Final, Literal, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from adapters.hl7v2.device.identity import eui64
from adapters.hl7v2.device.sender import Sender
from adapters.hl7v2.mapping import source
from adapters.hl7v2.mapping.errors import MappingError
from adapters.hl7v2.mapping.plan import Plans
from adapters.metrics import METRICS
from fhirserver.wire.hl7v2.charset import codec_of
from fhirserver.wire.hl7v2.message import Segment

_ANY: Final = "*"
_MATCHED: Final = frozenset(("MSH-3", "MSH-4", "certificate", "network"))
_AGREED: Final = frozenset(
    [
        "match",
        "name",
        "zone",
        "charset",
        "clock",
        "identifiers",
        "devices",
        "codes",
        "units",
        "interval-s",
        "control-ids",
        "accepts",
    ]
)
Unknown = Literal["accept", "refuse"]
_UNKNOWN: Final = get_args(Unknown)


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is at the other end of a connection: its address, and the subject of its certificate where it showed one."""

    address: str
    certificate: str | None = None


@dataclass(frozen=True, slots=True)
class _Known:
    """An agreement, and what a message and its connection must show for it to hold."""

    application: str
    facility: str
    certificate: str
    network: IPv4Network | IPv6Network | None
    sender: Sender

    def holds(self, header: Segment, peer: Peer) -> bool:
        return (
            _fits(self.application, header, 3)
            and _fits(self.facility, header, 4)
            and self.certificate in (_ANY, peer.certificate)
            and (self.network is None or ip_address(peer.address) in self.network)
        )


class Sites:
    """The mappings in force and the senders that are known."""

    def __init__(
        self, plans: Plans, known: Sequence[_Known], default: Sender, *, strangers: bool
    ) -> None:
        """`strangers`: senders nobody has described are taken too, as `default`."""
        self.plans = plans
        self.default = default
        self._known = known
        self._strangers = strangers

    @property
    def is_deaf(self) -> bool:
        """Return whether nobody at all is listened to."""
        return not self._known and not self._strangers

    @property
    def senders(self) -> Sequence[Sender]:
        """Every sender that is described, then the one that stands for others where there may be any."""
        return (*(one.sender for one in self._known), *([self.default] if self._strangers else ()))

    def sender_of(self, header: Segment | None, peer: Peer) -> Sender | None:
        """Return what is agreed with the sender of a message; None for a stranger who is not to be listened to.

        Without a `header` (nothing could be read yet) only the connection counts.
        """
        for one in self._known:
            if header is None:
                if one.application == one.facility == _ANY and _connection_fits(one, peer):
                    return one.sender
            elif one.holds(header, peer):
                return one.sender
        return self.default if self._strangers else None


def load(site: Sequence[tuple[str, bytes]] = (), *, unknown: Unknown = "refuse") -> Sites:
    """Return what the shipped files and those of a site (name and content) say. Raises `MappingError`.

    `unknown`: what becomes of senders nobody has described, where no file says it.
    """
    given = source.together([*source.shipped(), *site])
    problems: list[str] = []
    default = Sender(
        "default",
        codes=_codes(given.get("codes", {}), "codes", problems),
        units={str(key): str(value) for key, value in given.get("units", {}).items()},
    )
    known = [
        _known(one, f"senders[{number}]", default, problems)
        for number, one in enumerate(given.get("senders", ()))
    ]
    said = given.get("unknown", unknown)
    if said not in _UNKNOWN:
        problems.append(f"unknown: one of {', '.join(_UNKNOWN)}")
    try:
        plans = Plans(given)
    except MappingError as error:
        raise MappingError([*problems, *error.problems]) from None
    if problems:
        raise MappingError(problems)
    return Sites(plans, known, default, strangers=said == "accept")


def _known(given: Any, place: str, default: Sender, problems: list[str]) -> _Known:
    if not isinstance(given, dict) or given.keys() - _AGREED or not given.get("name"):
        problems.append(f"{place}: a sender has a name and {', '.join(sorted(_AGREED))}")
        return _Known(_ANY, _ANY, _ANY, None, default)
    match = given.get("match") or {}
    if not isinstance(match, dict) or match.keys() - _MATCHED:
        problems.append(f"{place}.match: {', '.join(sorted(_MATCHED))}")
        match = {}
    return _Known(
        str(match.get("MSH-3", _ANY)),
        str(match.get("MSH-4", _ANY)),
        str(match.get("certificate", _ANY)),
        _network(match.get("network"), place, problems),
        _sender(given, place, default, problems),
    )


def _sender(given: Mapping[str, Any], place: str, default: Sender, problems: list[str]) -> Sender:
    clock = given.get("clock", default.clock)
    if clock not in ("unverified", "synchronized"):
        problems.append(f"{place}.clock: unverified or synchronized")
    ids = given.get("control-ids", "unique")
    if ids not in ("unique", "reused"):
        problems.append(f"{place}.control-ids: unique or reused")
    interval = given.get("interval-s", default.interval)
    if not isinstance(interval, int) or not 1 <= interval <= 3600:
        problems.append(f"{place}.interval-s: whole seconds, 1 to 3600")
        interval = default.interval
    accepts = given.get("accepts")
    if accepts is not None and (
        not isinstance(accepts, list) or any(not isinstance(one, str) for one in accepts)
    ):
        problems.append(f"{place}.accepts: a list of kinds, as ORU^R01 or ADT^*")
        accepts = None
    devices = {str(key): eui64(str(value)) or "" for key, value in given.get("devices", {}).items()}
    problems += [f"{place}.devices.{key}: no EUI-64" for key, value in devices.items() if not value]
    return replace(
        default,
        name=str(given["name"]),
        zone=_zone(given.get("zone", "UTC"), place, problems),
        charset=_charset(given.get("charset"), place, default, problems),
        clock=clock,
        interval=interval,
        reuses_ids=ids == "reused",
        accepts=None if accepts is None else tuple(accepts),
        identifiers={str(key): str(value) for key, value in given.get("identifiers", {}).items()},
        devices=devices,
        codes={**default.codes, **_codes(given.get("codes", {}), f"{place}.codes", problems)},
        units={**default.units, **{str(k): str(v) for k, v in given.get("units", {}).items()}},
    )


def _codes(given: Any, place: str, problems: list[str]) -> dict[str, str]:
    codes = {str(key): str(value) for key, value in given.items() if value is not None}
    problems += [
        f"{place}.{key}: {value} is no code of 11073-10101"
        for key, value in codes.items()
        if value not in METRICS and not value.isdecimal()
    ]
    return codes


def _zone(name: Any, place: str, problems: list[str]) -> ZoneInfo:
    try:
        return ZoneInfo(str(name))
    except (ZoneInfoNotFoundError, ValueError):
        problems.append(f"{place}.zone: no time zone of the IANA database")
        return ZoneInfo("UTC")


def _charset(name: Any, place: str, default: Sender, problems: list[str]) -> str:
    if name is None:
        return default.charset
    codec = codec_of(str(name))
    if codec is None:
        problems.append(f"{place}.charset: not a character set of table 0211")
    return codec or default.charset


def _network(text: Any, place: str, problems: list[str]) -> IPv4Network | IPv6Network | None:
    if text is None:
        return None
    try:
        return ip_network(str(text))
    except ValueError:
        problems.append(f"{place}.match.network: no network, as 10.0.0.0/8")
        return None


def _fits(wanted: str, header: Segment, field: int) -> bool:
    return wanted == _ANY or wanted in (header.text(field), header.text(field, 2))


def _connection_fits(known: _Known, peer: Peer) -> bool:
    return known.certificate in (_ANY, peer.certificate) and (
        known.network is None or ip_address(peer.address) in known.network
    )
