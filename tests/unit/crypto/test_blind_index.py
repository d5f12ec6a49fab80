"""The blind index: equal values meet, different ones do not, and references can be joined."""

from hypothesis import given
from hypothesis import strategies as st

from fhirserver.crypto.blind_index import BlindIndex

INDEX = BlindIndex(bytes(32), 1)
OTHER = BlindIndex(bytes(31) + b"\x01", 1)


@given(st.text(), st.text())
def test_hashes_are_equal_exactly_for_equal_values(one: str, other: str) -> None:
    same = INDEX.value("Patient", "family", one) == INDEX.value("Patient", "family", other)
    assert same == (one == other)


def test_parts_cannot_run_into_each_other() -> None:
    assert INDEX.hash("ab", "c") != INDEX.hash("a", "bc")


def test_tenants_share_no_hash() -> None:
    assert INDEX.value("Patient", "family", "berg") != OTHER.value("Patient", "family", "berg")


def test_a_reference_is_its_target_s_own_key_under_the_parameter_s_constant() -> None:
    constant = INDEX.parameter_constant("Observation", "subject")
    assert INDEX.reference("Observation", "subject", "Patient/ann") ^ constant == INDEX.own(
        "Patient/ann"
    )


@given(st.text())
def test_a_hash_fits_a_bigint(text: str) -> None:
    assert -(2**63) <= INDEX.own(text) < 2**63


def test_a_version_may_keep_the_key_and_hash_some_types_anew() -> None:
    later = BlindIndex(bytes(32), 3, fresh=frozenset({"Patient"}), since=1)
    assert later.value("Observation", "code", "cx") == INDEX.value("Observation", "code", "cx")
    assert later.reference("Patient", "link", "Patient/a") == INDEX.reference(
        "Patient", "link", "Patient/a"
    )
    # No key of an earlier version tells one of this: not even a part's that looks like it.
    parts = range(20)
    before = {INDEX.value("Patient", "family", "pa", part) for part in parts}
    assert not before & {later.value("Patient", "family", "pa", part) for part in parts}
    among = [f"p{one}" for one in range(50)]
    assert [INDEX.part("Patient", "family", "pa", one, 9) for one in among] != [
        later.part("Patient", "family", "pa", one, 9) for one in among
    ]
    assert (INDEX.since, later.since) == (1, 1)
