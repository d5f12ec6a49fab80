"""Properties of evaluation that hold for every series of readings."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from fhirserver.kernel.readings import Reading
from subscriptions.core.evaluate import evaluate
from subscriptions.core.rules import compile_rules
from subscriptions.core.window import Window, decode, encode
from tests.unit.subscriptions.rules.world import (
    DEFAULTS,
    MEAN,
    PULSE,
    START,
    SYSTOLIC,
    VENOUS,
    World,
    reading,
)

RULES = compile_rules((), DEFAULTS, START)

values = st.one_of(st.integers(-200, 700), st.integers(60, 130))
series = st.lists(st.tuples(st.sampled_from([SYSTOLIC, MEAN, PULSE, VENOUS]), values), max_size=25)


def transcript(pairs: Sequence[tuple[str, int]], patient: str = "ann") -> list[Reading]:
    return [
        reading(code, value, 7.0 * number, patient=patient)
        for number, (code, value) in enumerate(pairs)
    ]


@given(series)
def test_repeating_every_reading_changes_nothing(pairs: list[tuple[str, int]]) -> None:
    once, twice = World(), World()
    for one in transcript(pairs):
        once.measure(one)
        twice.measure(one, one)
    assert len(once.alerts) == len(twice.alerts)
    assert once.log == twice.log


IN_ORDER = {SYSTOLIC: (90, 180), MEAN: (60, 120), PULSE: (45, 130), VENOUS: (20, 350)}
calm = st.sampled_from(sorted(IN_ORDER)).flatmap(
    lambda code: st.tuples(st.just(code), st.integers(*IN_ORDER[code]))
)


@given(st.lists(calm, max_size=25), st.sets(st.integers(0, 24)))
def test_values_in_order_raise_nothing_whichever_are_missing(
    pairs: list[tuple[str, int]], missing: set[int]
) -> None:
    window = Window()
    arrived = [one for n, one in enumerate(transcript(pairs)) if n not in missing]
    assert evaluate(window, RULES, arrived) == []
    assert not window.entries


@given(st.lists(st.sampled_from([128, 129, 131, 132]), min_size=1, max_size=85))
def test_flapping_by_two_around_a_limit_is_at_most_one_alert(pulses: list[int]) -> None:
    world = World()
    world.measure(*(reading(PULSE, value, 7.0 * n) for n, value in enumerate(pulses)))
    rings = [line for line in world.log if line.startswith(("raised", "rang", "priority"))]
    assert len(rings) <= 1


@given(series, series, st.randoms())
def test_the_order_of_two_patients_readings_does_not_matter(
    ann: list[tuple[str, int]], eve: list[tuple[str, int]], dice: object
) -> None:
    apart = {"ann": Window(), "eve": Window()}
    mixed = {"ann": Window(), "eve": Window()}
    one, other = transcript(ann), transcript(eve, "eve")
    expected = {
        "ann": evaluate(apart["ann"], RULES, one),
        "eve": evaluate(apart["eve"], RULES, other),
    }
    found: dict[str, list[object]] = {"ann": [], "eve": []}
    queues = [list(one), list(other)]
    while any(queues):
        queue = dice.choice([queue for queue in queues if queue])  # type: ignore[attr-defined]
        taken = queue.pop(0)
        found[taken.patient] += evaluate(mixed[taken.patient], RULES, [taken])
    assert found == expected


@given(series)
def test_a_window_survives_being_written_down(pairs: list[tuple[str, int]]) -> None:
    window = Window()
    evaluate(window, RULES, transcript(pairs))
    again = decode(encode(window))
    assert again.entries == window.entries
    assert encode(again) == encode(window)


@given(series)
def test_the_batch_size_does_not_matter(pairs: list[tuple[str, int]]) -> None:
    together, single = Window(), Window()
    readings = transcript(pairs)
    at_once = evaluate(together, RULES, readings)
    one_by_one = [found for one in readings for found in evaluate(single, RULES, [one])]
    assert at_once == one_by_one
    assert together.entries == single.entries
