"""The control topic accepts what exists and refuses the rest with a reason."""

import pytest

from simulator.control import Control, ControlError, read_control


def test_start_and_stop_are_read() -> None:
    assert read_control(b'{"do":"start","scenario":4,"device":"home-b"}') == Control(
        "start", "home-b", "4"
    )
    assert read_control(b'{"do":"stop","device":"home-b"}') == Control("stop", "home-b", None)


@pytest.mark.parametrize(
    "payload",
    [
        b"\xff",
        b"[]",
        b'{"do":"jump","device":"x"}',
        b'{"do":"start","device":"x"}',
        b'{"do":"start","scenario":true,"device":"x"}',
        b'{"do":"start","scenario":"clean"}',
        b'{"do":"start","scenario":"clean","device":"x","scale":0}',
    ],
)
def test_anything_else_is_refused(payload: bytes) -> None:
    with pytest.raises(ControlError):
        read_control(payload)
