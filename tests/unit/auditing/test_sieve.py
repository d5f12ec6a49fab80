"""Two sides are told apart by what is left of their buckets, in any order and in bounded memory."""

from hypothesis import given
from hypothesis import strategies as st

from fhirserver.auditing.sieve import Sieve, bucket_of

ids = st.integers(0, 2**128 - 1)


@given(st.sets(ids, max_size=40), st.sets(ids, max_size=5), st.sets(ids, max_size=5))
def test_buckets_differ_where_one_side_has_an_id_that_the_other_has_not(
    both: set[int], added: set[int], taken: set[int]
) -> None:
    sieve = Sieve()
    for one in sorted(both | added):
        sieve.add(one)
    for one in sorted(both | taken, reverse=True):
        sieve.take(one)
    found = {bucket for group in sieve.differing() for bucket in group}
    only = (added - both - taken) | (taken - both - added)
    assert {bucket_of(one) for one in only} == found


def test_what_is_looked_at_again_is_looked_at_in_parts() -> None:
    sieve = Sieve(most=10)
    for number in range(100):
        sieve.take(number << 16)
    groups = list(sieve.differing())
    assert all(len(group) <= 10 for group in groups)
    assert sorted(bucket for group in groups for bucket in group) == list(range(100))
