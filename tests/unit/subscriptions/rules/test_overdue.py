"""A blood pressure that does not come in treatment: somebody has to look, nobody is watching."""

from subscriptions.core.event_codes import PRESSURE_OVERDUE
from subscriptions.core.overdue import time_passed
from subscriptions.core.window import Window, decode, encode
from tests.unit.subscriptions.rules.circuit import RULES, second, told, watched
from tests.unit.subscriptions.rules.world import SYSTOLIC, at, reading

INTERVAL = 1800
LATE = int(INTERVAL * 1.5)
OVERDUE = ("breached", PRESSURE_OVERDUE.code, "PM")


def treated(window: Window, first: int, last: int, every: int = 10, mode: str = "TX") -> None:
    """Let the machine say from `first` to `last` that it treats somebody."""
    watched(
        (second(number, 170, mode=mode) for number in range(first, last + 1, every)),  # type: ignore[arg-type]
        window,
    )


def look(window: Window, number: float) -> list[tuple[str, str, str]]:
    return told(time_passed(window, RULES, "ann", at(number)))


def test_one_and_a_half_intervals_without_a_blood_pressure_in_treatment_is_a_technical_alert() -> (
    None
):
    window = Window()
    treated(window, 0, LATE, every=30)
    assert window.due == at(LATE)
    assert look(window, LATE - 1) == []
    found = time_passed(window, RULES, "ann", at(LATE))
    assert told(found) == [OVERDUE]
    assert found[0].kind == "technical"
    assert found[0].priority == "PM"
    assert look(window, LATE + 60) == []


def test_a_blood_pressure_moves_the_moment_and_ends_the_alert() -> None:
    window = Window()
    treated(window, 0, 600, every=30)
    watched([[reading(SYSTOLIC, 120, 700, mode=None)]], window)
    assert window.due == at(700 + LATE)
    treated(window, 630, 700 + LATE, every=30)
    assert look(window, 700 + LATE) == [OVERDUE]
    found = watched([[reading(SYSTOLIC, 118, 700 + LATE + 50, mode=None)]], window)
    assert told(found) == [("ended", PRESSURE_OVERDUE.code, "PM")]


def test_it_survives_a_restart() -> None:
    window = Window()
    treated(window, 0, LATE, every=30)
    assert look(decode(encode(window)), LATE) == [OVERDUE]


def test_a_silent_machine_is_an_alert_of_its_own_and_not_an_overdue_pressure() -> None:
    window = Window()
    treated(window, 0, 1500, every=30)
    assert look(window, LATE) == []
    treated(window, LATE + 100, LATE + 100)
    assert window.due is not None
    assert look(window, LATE + 101) == [OVERDUE]


def test_nothing_is_overdue_before_and_after_treatment() -> None:
    window = Window()
    treated(window, 0, LATE, every=60, mode="PRETX")
    assert window.due is None
    treated(window, LATE, LATE + 600, every=60)
    treated(window, LATE + 660, LATE + 660, mode="POSTTX")
    assert window.due is None


def test_the_end_of_treatment_ends_it() -> None:
    window = Window()
    treated(window, 0, LATE, every=30)
    assert look(window, LATE) == [OVERDUE]
    found = watched([second(LATE + 30, 170, mode="POSTTX")], window)
    assert told(found) == [("ended", PRESSURE_OVERDUE.code, "PM")]


def test_an_old_or_unbound_blood_pressure_is_none() -> None:
    window = Window()
    treated(window, 0, 600, every=30)
    watched([[reading(SYSTOLIC, 120, 60, late=540, mode=None)]], window)
    watched([[reading(SYSTOLIC, 120, 600, bound=False, mode=None)]], window)
    assert window.due == at(LATE)
