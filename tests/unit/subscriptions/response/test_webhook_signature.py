"""X-Twilio-Signature: the example of the company's own documentation, and what must fail."""

import pytest

from subscriptions.core.webhook_signature import is_genuine, signature

URL = "https://mycompany.com/myapp.php?foo=1&bar=2"
FIELDS = [
    ("CallSid", "CA1234567890ABCDE"),
    ("Caller", "+14158675310"),
    ("Digits", "1234"),
    ("From", "+14158675310"),
    ("To", "+18005551212"),
]
TOKEN = "12345"
EXPECTED = "GvWf1cFY/Q7PnoempGyD5oXAezc="


def test_the_documented_example() -> None:
    assert signature(TOKEN, URL, FIELDS) == EXPECTED
    assert signature(TOKEN, URL, reversed(FIELDS)) == EXPECTED


def test_either_of_two_tokens() -> None:
    assert is_genuine(EXPECTED, ["new", TOKEN], URL, FIELDS)
    assert is_genuine(EXPECTED, [TOKEN, "old"], URL, FIELDS)


def test_anything_changed_is_refused() -> None:
    assert not is_genuine(EXPECTED, [TOKEN], URL + "x", FIELDS)
    assert not is_genuine(EXPECTED, [TOKEN], URL, FIELDS[1:])
    assert not is_genuine(EXPECTED, [TOKEN], URL, [*FIELDS, ("Body", "x")])
    assert not is_genuine(EXPECTED, ["other"], URL, FIELDS)
    assert not is_genuine("", [TOKEN], URL, FIELDS)
    assert not is_genuine("\udcff", [TOKEN], URL, FIELDS)
    assert not is_genuine(EXPECTED, [], URL, FIELDS)


@pytest.mark.parametrize(
    ("signed", "ours"),
    [
        ("https://us.example.org:443/t?a=1", "https://us.example.org/t?a=1"),
        ("https://us.example.org/t", "https://us.example.org:443/t"),
        ("http://[::1]:80/t", "http://[::1]/t"),
    ],
)
def test_the_standard_port_may_be_named_or_not(signed: str, ours: str) -> None:
    assert is_genuine(signature(TOKEN, signed, FIELDS), [TOKEN], ours, FIELDS)


@pytest.mark.parametrize(
    "signed", ["https://us.example.org:8443/t", "http://us.example.org/t", "https://us.example.org"]
)
def test_another_port_scheme_or_path_is_another_address(signed: str) -> None:
    ours = "https://us.example.org/t"
    assert not is_genuine(signature(TOKEN, signed, FIELDS), [TOKEN], ours, FIELDS)
