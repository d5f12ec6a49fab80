"""What a trend remembers: means that do not depend on the order of arrival, and a finite memory."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from subscriptions.core.trace import Trace, mean_of, thousandths

SAMPLES = st.lists(
    st.tuples(st.integers(0, 30), st.decimals(-500, 900, places=3)), min_size=1, max_size=80
)


def remembered(samples: list[tuple[int, Decimal]]) -> Trace:
    trace = Trace(1, 31, 30)
    for stretch, value in samples:
        trace.add(0, stretch, thousandths(value))
    return trace


@given(SAMPLES.flatmap(lambda some: st.tuples(st.just(some), st.permutations(some))))
def test_the_order_of_arrival_does_not_matter(
    orders: tuple[list[tuple[int, Decimal]], list[tuple[int, Decimal]]],
) -> None:
    assert remembered(orders[0]).pack() == remembered(orders[1]).pack()


@given(SAMPLES)
def test_means_keep_the_digits_and_survive_packing(samples: list[tuple[int, Decimal]]) -> None:
    trace = Trace.unpack(remembered(samples).pack())
    for stretch, mean in enumerate(trace.means(0, 0, 30)):
        values = [value for place, value in samples if place == stretch]
        expected = float(sum(values)) / len(values) if values else None
        assert mean == expected or (
            mean is not None and expected is not None and abs(mean - expected) < 1e-9
        )


def test_what_is_too_old_is_forgotten_and_refused() -> None:
    trace = Trace(2, 3, 10)
    assert trace.add(1, 9, 5000)
    trace.advance(12)
    assert trace.means(1, 8, 12) == [None, None, None, None, None]
    assert not trace.add(0, 9, 1)
    trace.advance(11)
    assert trace.last == 12
    trace.advance(1000)
    assert trace.means(1, 998, 1000) == [None, None, None]


def test_a_mean_of_nothing_is_nothing() -> None:
    assert mean_of([None, None]) is None
    assert mean_of([None, 2.0, 4.0]) == 3.0
