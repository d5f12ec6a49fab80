"""Which passwords are good enough, and how they are kept."""

import pytest

from fhirserver.accounts import passwords


@pytest.mark.parametrize(
    ("password", "expected"),
    [
        ("three quiet lamps", None),
        ("ocho ríos lentos", None),
        ("x7!kQ9#mZ2$p", None),
        ("elevenchars", "short"),
        ("x" * 129, "long"),
        ("aaaaaaaaaaaa", "common"),
        ("abababababab", "common"),
        ("123456789012", "common"),
        ("210987654321", "common"),
        ("Password1234!", "common"),
        ("qwertyuiop12", "common"),
        ("abcdefghijkl", "common"),
        ("nina.nurse26", "personal"),
        ("NINA.NURSE!!!", "personal"),
    ],
)
def test_weakness(password: str, expected: str | None) -> None:
    assert passwords.weakness(password, "nina.nurse", "Nina") == expected


def test_a_short_name_in_a_long_password_is_no_weakness() -> None:
    assert passwords.weakness("nina and nine rivers", "nina") is None


def test_kept_as_argon2id_at_a_stated_cost() -> None:
    kept = passwords.hashed("three quiet lamps", bytes(range(16)))
    assert kept.startswith("$argon2id$v=19$m=47104,t=1,p=1$")
    assert passwords.matches(kept, "three quiet lamps")
    assert not passwords.matches(kept, "three quiet lamp")
    assert not passwords.is_outdated(kept)
    assert passwords.is_outdated(kept.replace("m=47104", "m=19456"))


def test_what_nobody_has_costs_the_same_and_matches_nothing() -> None:
    assert not passwords.is_outdated(passwords.NOBODY)
    assert not passwords.matches(passwords.NOBODY, "")


def test_keyboards_write_one_text_in_several_ways() -> None:
    kept = passwords.hashed("cafe\u0301 y tres r\u00edos", bytes(16))
    assert passwords.matches(kept, "caf\u00e9 y tres ri\u0301os")
