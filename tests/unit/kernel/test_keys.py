"""Row ids carry their time and their bucket, and are told from ids that clients chose."""

import uuid
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from fhirserver.kernel import keys

MOMENT = datetime(2026, 8, 1, 9, 0, 0, 123_000, tzinfo=UTC)
BUCKET = st.integers(min_value=0, max_value=keys.BUCKETS - 1)


@given(BUCKET, st.integers(min_value=0, max_value=2**64 - 1))
def test_a_row_id_is_a_uuid7_that_carries_its_bucket(bucket: int, noise: int) -> None:
    row = keys.row_id(keys.unix_ms(MOMENT), bucket, noise)
    assert (row.version, row.variant) == (7, uuid.RFC_4122)
    assert keys.bucket_of_row(row) == bucket
    assert row.int >> 80 == keys.unix_ms(MOMENT)
    assert keys.row_of(str(row)) == row


@given(BUCKET)
def test_an_identity_that_carries_a_bucket_keeps_it(bucket: int) -> None:
    row = keys.row_id(keys.unix_ms(MOMENT), bucket, 7)
    assert keys.bucket_of(1, "Patient", str(row)) == bucket


def test_row_ids_sort_by_time_and_partitions_cut_between_them() -> None:
    early = keys.row_id(keys.unix_ms(MOMENT), 1023, 2**64 - 1)
    late = keys.row_id(keys.unix_ms(MOMENT + timedelta(milliseconds=1)), 0, 0)
    assert early < late
    assert (
        keys.first_row_at(MOMENT)
        < early
        < keys.first_row_at(MOMENT + timedelta(milliseconds=1))
        < late
    )


@given(st.text(max_size=64))
def test_other_ids_are_not_mistaken_for_ours(text: str) -> None:
    row = keys.row_of(text)
    assert row is None or str(row) == text


def test_the_case_of_an_id_counts() -> None:
    row = keys.row_id(keys.unix_ms(MOMENT), 5, 2**63)
    assert keys.row_of(str(row).upper()) is None
    assert keys.row_of(str(uuid.uuid4())) is None


def test_buckets_are_spread() -> None:
    found = {keys.bucket_of(1, "Patient", f"patient-{number}") for number in range(20_000)}
    assert len(found) == keys.BUCKETS
