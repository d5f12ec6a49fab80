"""What the demonstration's control topic and page may ask of a running simulator.

`hd/v1/sim/ctl` carries `{"do": "start" | "stop", "scenario": name or number, "device": ...}`;
`device` is a home's name or the EUI-64 of one of its devices, with or without dashes.
"""

import json
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Control:
    """Start `scenario` at `device`, or stop what runs there."""

    do: Literal["start", "stop"]
    device: str
    scenario: str | None
    scale: float = 1.0


class ControlError(ValueError):
    """The payload asks for nothing that exists."""


def read_control(payload: bytes) -> Control:
    """Return the request in `payload`; raises ControlError, saying what is wrong."""
    try:
        body = json.loads(payload)
    except ValueError as error:
        raise ControlError("not JSON") from error
    if not isinstance(body, dict):
        raise ControlError("not an object")
    do = body.get("do")
    device = body.get("device")
    scenario = body.get("scenario")
    scale = body.get("scale", 1.0)
    if do not in ("start", "stop"):
        raise ControlError("`do` is start or stop")
    if not isinstance(device, str) or not device:
        raise ControlError("`device` names a home or a device")
    if do == "start" and (isinstance(scenario, bool) or not isinstance(scenario, (str, int))):
        raise ControlError("`scenario` is a name or a number")
    if isinstance(scale, bool) or not isinstance(scale, (int, float)) or not 0 < scale <= 1000:
        raise ControlError("`scale` is a number from 0 to 1000")
    return Control(do, device, None if scenario is None else str(scenario), float(scale))
