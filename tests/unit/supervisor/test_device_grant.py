"""What a device may say and hear follows from its two names, which cannot widen it."""

import pytest

from fhirserver.supervisor.device_authenticator import DeviceGrant


def test_device_speaks_below_its_own_topic_and_hears_its_own_answers() -> None:
    grant = DeviceGrant("home", "0050C2FFFE000001")
    assert grant.publish == ("hd.v1.home.0050C2FFFE000001.>",)
    assert grant.subscribe == (
        "hd.v1.home.0050C2FFFE000001.ack",
        "hd.v1.home.0050C2FFFE000001.cmd",
        "hd.v1.home.cmd",
    )


def test_a_gateway_speaks_for_the_devices_behind_it_and_for_no_others() -> None:
    grant = DeviceGrant("home", "G1", ("D1", "D2"))
    assert grant.publish == ("hd.v1.home.G1.>", "hd.v1.home.D1.>", "hd.v1.home.D2.>")
    heard = {f"hd.v1.home.{one}.{leaf}" for one in ("G1", "D1", "D2") for leaf in ("ack", "cmd")}
    assert set(grant.subscribe) == heard | {"hd.v1.home.cmd"}
    with pytest.raises(ValueError, match="cannot be a level"):
        DeviceGrant("home", "G1", ("D1", "*"))


def test_simulated_device_also_hears_the_control_topic() -> None:
    assert DeviceGrant("home", "D1", simulated=True).subscribe[-1] == "hd.v1.sim.ctl"


@pytest.mark.parametrize(
    "name", ["", "*", ">", "a.b", "a/b", "a b", "a\n", "#", "+", "é", "x" * 65]
)
def test_names_that_could_reach_other_topics_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="cannot be a level"):
        DeviceGrant(name, "D1")
    with pytest.raises(ValueError, match="cannot be a level"):
        DeviceGrant("home", name)
