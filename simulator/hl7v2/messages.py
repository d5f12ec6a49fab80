"""What a device says, as HL7 v2: its samples as PCD-01 (ORU^R01), its alarms as PCD-04 (ORU^R40).

Made from the very messages it would publish over MQTT. A birth is not sent but remembered: HL7 v2 says units and alarm
limits beside each value. A status has no counterpart; a connection that is gone says as much.

Spec: IHE Devices TF-2 (https://profiles.ihe.net/DEV/TF/Volume2/), PCD-01 and PCD-04.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

import orjson

from simulator import codes
from simulator.devices.identity import Identity
from simulator.devices.messages import Message
from simulator.hl7v2 import nomenclature as n
from simulator.hl7v2.segments import VERSION, filled, shape

_PCD_01: Final = "IHE_PCD_001^IHEPCD^1.3.6.1.4.1.19376.1.6.1.1.1^ISO"
_PCD_04: Final = "IHE_PCD_004^IHEPCD^1.3.6.1.4.1.19376.1.6.1.4.1^ISO"
# MSH-11: nobody here exists.
_PROCESSING: Final = "T"
# A name that must be there and is not told (IHE PCD TF-2, PID-5).
_NOBODY: Final = "^^^^^^U"
# The way an alarm of these went over its limit.
_SIDES: Final = {codes.EVENT_LOW: "L", codes.EVENT_HIGH: "H"}

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Spoken:
    """One message: its MSH-10 and its text as UTF-8, every segment ended by CR."""

    control_id: str
    content: bytes


class Tongue:
    """Says in HL7 v2 what one device says."""

    def __init__(self, identity: Identity) -> None:
        """Raises KeyError for a device that speaks no HL7 v2 here."""
        self._identity = identity
        self._type = "^".join((*n.DEVICES[identity.kind], "MDC"))
        self._metrics: Json = {}
        self._session: str | None = None

    def say(self, message: Message) -> Spoken | None:
        """Return what is sent for `message`; None for what is not said in HL7 v2, or is no message at all."""
        body = message.body
        if body is None:
            return None
        if message.channel == "birth":
            self._metrics = body["metrics"]
        if message.seq is None or isinstance(message.content, bytes):
            return None
        if message.channel == "tel":
            self._session = body["session"]
        kind, guide = (
            ("ORU^R01^ORU_R01", _PCD_01)
            if message.channel == "tel"
            else ("ORU^R40^ORU_R40", _PCD_04)
        )
        control_id = f"{body['boot']}-{message.channel[0]}{message.seq}"
        moment = _timestamp(body["dev_time"])
        lines = self._values(body) if message.channel == "tel" else self._facets(body)
        about = self._type if message.channel == "tel" else n.coded(n.ALARM)
        text = "\r".join(
            (*self._head(kind, guide, control_id, moment), self._order(about, moment), *lines, "")
        )
        return Spoken(control_id, text.encode())

    def _head(self, kind: str, guide: str, control_id: str, moment: str) -> tuple[str, str, str]:
        identity = self._identity
        header = shape(
            "MSH",
            (
                (3, f"{identity.model}^{identity.eui64}^EUI-64"), (5, "HDSRV"), (9, kind), (11, _PROCESSING),
                (12, VERSION), (15, "AL"), (16, "NE"), (21, guide),
            ),
            (7, 10),
        )  # fmt: skip
        patient = f"{identity.model}/{identity.serial}^^^^U"
        return (
            filled(header, {7: moment, 10: control_id}),
            shape("PID", ((3, patient), (5, _NOBODY))),
            shape("PV1", ((2, "U"),)),
        )

    def _order(self, about: str, moment: str) -> str:
        identity = self._identity
        session = f"{self._session or ''}^{identity.model}^{identity.eui64}^EUI-64"
        return filled(shape("OBR", ((1, "1"), (4, about)), (3, 7)), {3: session, 7: moment})

    def _values(self, body: Json) -> list[str]:
        lines: list[str] = []
        if (mode := body.get("mode")) is not None:
            lines.append(_line(len(lines) + 1, "ST", n.MODE, mode, place=n.PLACES[n.MODE]))
        (sample,) = body["s"]
        for code, value in sample["v"].items():
            lines.append(self._value(len(lines) + 1, code, value, n.PLACES[code]))
        return lines

    def _value(self, number: int, code: str, value: Any, place: str) -> str:
        metric = self._metrics[code]
        unit, limits = metric["unit"], _limits(metric.get("limits"))
        fields = (
            (1, str(number)), (2, "NM"), (3, n.coded(code)), (4, place), (6, f"{unit}^{unit}^UCUM"), (11, "F"), (17, "AMEAS"),
        )  # fmt: skip
        return filled(shape("OBX", fields, (5, 7)), {5: _number(value), 7: limits})

    def _facets(self, body: Json) -> list[str]:
        event = n.EVENTS.get(body["event"], body["event"])
        source, value = body["source"], body.get("value")
        priority = "~".join(
            one for one in (body["priority"], body["kind"], _SIDES.get(event)) if one
        )
        beyond = event in _SIDES and source is not None
        about, meant = (event, source) if beyond else (n.ALARM, event)
        lines = [_line(1, "CWE", about, n.coded(meant), place="1.0.0.0.1", status=priority)]
        if source is not None and value is not None:
            lines.append(self._value(2, source, value, f"{n.PLACES[source]}.2"))
        elif source is not None:
            lines.append(_line(2, "CWE", n.SOURCE, n.coded(source), place="1.0.0.0.2"))
        for position, (code, name) in enumerate(
            ((n.PHASE, "phase"), (n.STATE, "state"), (n.ACTIVITY, "activity")), 3
        ):
            place = f"1.0.0.0.{position}"
            lines.append(_line(len(lines) + 1, "ST", code, body[name], place=place))
        return lines


def _line(number: int, kind: str, code: str, text: str, *, place: str, status: str = "") -> str:
    fields = ((1, str(number)), (2, kind), (3, n.coded(code)), (4, place), (11, "F"))
    return filled(shape("OBX", fields, (5, 8)), {5: text, 8: status})


def _number(value: Any) -> str:
    """Return a number with the digits it has in JSON, without exponent."""
    return format(Decimal(orjson.dumps(value, default=float).decode()), "f")


def _limits(window: Json | None) -> str:
    if window is None:
        return ""
    low, high = window.get("low"), window.get("high")
    if low is None:
        return f"<{_number(high)}"
    return f">{_number(low)}" if high is None else f"{_number(low)}-{_number(high)}"


def _timestamp(text: str) -> str:
    """Return an instant of JSON as HL7 writes it: to the millisecond, UTC."""
    return datetime.fromisoformat(text).strftime("%Y%m%d%H%M%S.%f")[:-3] + "+0000"
