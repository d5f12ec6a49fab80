from conformance.subscriptions.ordeal import PARTS, planned
from conformance.subscriptions.schedule import FAILURES, LASTING, Cast, Weather

CAST = Cast(seconds=10.0, kills=4, api_kills=1, freezes=2, restarts=1, edits=5, removals=3)


def test_the_same_seed_is_the_same_schedule() -> None:
    assert planned(7, CAST) == planned(7, CAST)
    assert planned(7, CAST) != planned(8, CAST)


def test_everything_that_was_ordered_happens_in_time_and_in_order() -> None:
    plan = planned(3, CAST)
    deeds = [step.deed for step in plan.steps]
    assert [step.at for step in plan.steps] == sorted(step.at for step in plan.steps)
    assert all(0.0 < step.at < CAST.seconds for step in plan.steps)
    assert (deeds.count("kill-delivery"), deeds.count("kill-api")) == (4, 1)
    assert deeds.count("freeze") == 2
    assert (deeds.count("restart"), deeds.count("edit"), deeds.count("delete")) == (1, 5, 1)


def test_somebody_is_removed_for_good_and_somebody_comes_back_later() -> None:
    for seed in range(30):
        steps = [step for step in planned(seed, CAST).steps if step.deed.endswith("member")]
        removed = {step.who: step.at for step in steps if step.deed == "remove-member"}
        back = {step.who: step.at for step in steps if step.deed == "add-member"}
        assert removed.keys() == {0, 1, 2}
        assert back.keys() == {1, 2}
        assert all(removed[who] < at for who, at in back.items())


def test_over_many_seeds_every_failure_comes_but_none_that_lasts_to_the_nurse() -> None:
    moods: dict[str, set[str]] = {part: set() for part in PARTS}
    for seed in range(50):
        for part, weather in planned(seed, CAST).weather.items():
            moods.setdefault(part, set()).update(mood for _, mood in weather.changes)
    assert moods["all"] == {"takes", *FAILURES}
    assert moods["nurse"] == {"takes", *FAILURES} - set(LASTING)


def test_weather_holds_until_it_changes() -> None:
    weather = Weather(((1.0, "error"), (2.0, "takes"), (3.0, "hangs")))
    moments = (0.5, 1.0, 1.9, 2.0, 9.0)
    assert [weather.at(one) for one in moments] == ["takes", "error", "error", "takes", "hangs"]
