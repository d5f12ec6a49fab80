"""What is wrong with what devices send reaches the rules part, once each time it changes."""

from datetime import timedelta

from adapters.ingest import Ingest
from tests.integration.ingest.test_ingest import (
    ADDRESS,
    BIRTH,
    START,
    Home,
    clock,
    evt,
    home,
    tel,
    witness,
)

__all__ = ["clock", "home", "witness"]


def troubles(home: Home) -> list[tuple[str, str | None, int]]:
    found = [(str(one.kind), one.patient, one.amount) for one in home.witness.troubles]
    home.witness.troubles.clear()
    return found


async def test_missing_numbers_are_told_with_how_many_are_missing_until_they_came(
    home: Home,
) -> None:
    await home.say(tel(1, {"158776": 160}))
    troubles(home)
    await home.say(tel(5, {"158776": 160}))
    assert troubles(home) == [("gap-tel", "ann", 3)]
    await home.say(tel(6, {"158776": 160}))
    assert troubles(home) == []
    await home.say(tel(3, {"158776": 160}))
    assert troubles(home) == [("gap-tel", "ann", 2)]
    await home.say(tel(2, {"158776": 160}), tel(4, {"158776": 160}))
    assert troubles(home) == [("gap-tel", "ann", 0)]


async def test_a_missing_alarm_is_a_gap_of_its_own(home: Home) -> None:
    await home.say(evt(1, "198260"), evt(3, "198260"))
    assert ("gap-evt", "ann", 1) in troubles(home)


async def test_a_wrong_clock_is_told_once_and_again_when_it_is_right(home: Home) -> None:
    def said(seq: int, skew: float) -> tuple[str, dict[str, object]]:
        at = home.clock.now + timedelta(seconds=skew)
        return tel(seq, {"158776": 160}, dev_time=at.isoformat().replace("+00:00", "Z"))

    await home.say(said(1, 0))
    # The first message in a process says how the clock is: an alert of before may be open.
    assert troubles(home) == [("clock", "ann", 0)]
    await home.say(said(2, 90))
    await home.say(said(3, 91))
    assert troubles(home) == [("clock", "ann", 90)]
    await home.say(said(4, -3600))
    assert troubles(home) == []
    await home.say(said(5, 1))
    assert troubles(home) == [("clock", "ann", 0)]
    home.ingest = Ingest(home.record, home.witness)
    await home.say(said(6, 0))
    assert troubles(home) == [("clock", "ann", 0)]


async def test_refused_messages_are_told_by_what_was_lost(home: Home) -> None:
    await home.say(("tel", START + b"nonsense"), ("tel", b"{"))
    assert troubles(home) == [("data", "ann", 2)]
    await home.say(("evt", b"{"))
    assert troubles(home) == [("event", "ann", 1)]


async def test_only_an_alarm_of_an_unknown_device_is_told(home: Home) -> None:
    stranger = "FFFFFFFFFFFFFFFF"
    _, body = tel(1, {"158776": 160})
    await home.say(("tel", {**body, "dev": stranger}), address=stranger)
    assert troubles(home) == []
    _, body = evt(1, "198260")
    await home.say(("evt", {**body, "dev": stranger}), address=stranger)
    (told,) = home.witness.troubles
    assert (told.kind, told.device, told.address) == ("event", None, stranger)


async def test_the_faults_of_a_simulator_are_test_data(home: Home) -> None:
    await home.say(("birth", {**BIRTH, "sim": True}))
    await home.say(("tel", b"{"))
    assert [one.simulated for one in home.witness.troubles] == [True]
    assert [one.address for one in home.witness.troubles] == [ADDRESS]
