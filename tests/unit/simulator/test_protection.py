"""The machine's own protective system: windows, confirmation, the stopping of the pump."""

import pytest

from simulator import codes
from simulator.devices.protection import Action, Protection, Raise, StopPump, centred

VALUES: dict[str, float] = {
    codes.VENOUS_PRESSURE: 160,
    codes.ARTERIAL_PRESSURE: -110,
    codes.TRANSMEMBRANE_PRESSURE: 40,
}


def acts(changed: dict[str, float], seconds: int) -> list[tuple[int, Action]]:
    protection = Protection(settled=True)
    limits = centred(VALUES)
    return [
        (second, action)
        for second in range(1, seconds + 1)
        for action in protection.judge(VALUES | changed, limits, 1.0)
    ]


def test_a_low_venous_pressure_is_said_concluded_and_stops_the_pump() -> None:
    done = acts({codes.VENOUS_PRESSURE: 100}, 30)
    assert [(at, type(one).__name__, getattr(one, "event", None)) for at, one in done] == [
        (3, "Raise", codes.EVENT_LOW),
        (5, "Raise", codes.EVENT_VENOUS_ACCESS),
        (6, "StopPump", None),
        (6, "Raise", codes.EVENT_PUMP_STOP),
    ]
    assert all(one.priority == "PH" for _, one in done if isinstance(one, Raise))


def test_a_high_transmembrane_pressure_does_not_stop_the_pump() -> None:
    done = acts({codes.TRANSMEMBRANE_PRESSURE: 320}, 30)
    assert [(at, one.event, one.priority) for at, one in done if isinstance(one, Raise)] == [
        (3, codes.EVENT_HIGH, "PM")
    ]
    assert not any(isinstance(one, StopPump) for _, one in done)


@pytest.mark.parametrize("value", [111, 160, 249])
def test_within_the_window_nothing_happens(value: float) -> None:
    assert acts({codes.VENOUS_PRESSURE: value}, 60) == []


def test_a_cough_is_no_alarm() -> None:
    protection = Protection(settled=True)
    limits = centred(VALUES)
    high = VALUES | {codes.VENOUS_PRESSURE: 300}
    said = [*protection.judge(high, limits, 1.0), *protection.judge(high, limits, 1.0)]
    said += protection.judge(VALUES, limits, 1.0)
    said += [*protection.judge(high, limits, 1.0), *protection.judge(high, limits, 1.0)]
    assert said == []


def test_windows_are_centred_when_the_flow_is_steady_and_every_half_hour() -> None:
    protection = Protection(settled=False)
    centred_at = [
        second
        for second in range(1, 4000)
        if protection.recentring_due(400.0, min(400.0, second * 20.0), 1.0)
    ]
    assert centred_at[0] == 20 + 14
    assert centred_at[1] - centred_at[0] == 1800


def test_windows_are_suspended_while_the_flow_is_turned() -> None:
    protection = Protection(settled=True)
    protection.recentring_due(400.0, 400.0, 1.0)
    assert protection.armed
    protection.recentring_due(350.0, 400.0, 1.0)
    assert not protection.armed


def test_the_lower_limit_never_lies_below_the_least() -> None:
    assert centred(VALUES | {codes.VENOUS_PRESSURE: 30})[codes.VENOUS_PRESSURE]["low"] == 9
    assert centred(VALUES | {codes.VENOUS_PRESSURE: 350})[codes.VENOUS_PRESSURE]["high"] == 400
