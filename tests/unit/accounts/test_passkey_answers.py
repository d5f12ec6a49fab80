"""Answers of passkeys that somebody changed: never accepted, and never more than refused."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from fhirserver.accounts import passkeys
from fhirserver.accounts.passkeys import Passkey, Site
from tests.unit.accounts.authenticator import ORIGIN, Authenticator

SITE = Site(ORIGIN, "localhost")
CHALLENGE = bytes(range(32))
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4)
    ),
    max_leaves=10,
)


def _options() -> dict[str, Any]:
    return {"challenge": urlsafe_b64encode(CHALLENGE).decode().rstrip("=")}


def _changed(credential: str, name: str, at: int, bit: int) -> str:
    said = json.loads(credential)
    response = said["response"]
    field = bytearray(urlsafe_b64decode(response[name] + "=="))
    field[at % len(field)] ^= 1 << bit
    response[name] = urlsafe_b64encode(bytes(field)).decode().rstrip("=")
    return json.dumps(said)


def _challenge(credential: str) -> bytes:
    """Return the challenge an answer names: two bits of its last letter mean nothing."""
    client = urlsafe_b64decode(json.loads(credential)["response"]["clientDataJSON"] + "==")
    return urlsafe_b64decode(json.loads(client)["challenge"] + "==")


def _kept() -> tuple[Authenticator, Passkey]:
    authenticator = Authenticator()
    made = passkeys.created(SITE, CHALLENGE, authenticator.create(_options()))
    assert made is not None
    return authenticator, made


def test_what_is_right_is_accepted() -> None:
    authenticator, kept = _kept()
    answer = authenticator.get(_options())
    assert passkeys.credential_id(answer) == kept.credential
    assert passkeys.used_count(SITE, CHALLENGE, answer, kept) == 1
    assert passkeys.used_count(SITE, bytes(32), answer, kept) is None


@given(
    st.sampled_from(["clientDataJSON", "authenticatorData", "signature"]),
    st.integers(0, 500),
    st.integers(0, 7),
)
def test_no_changed_bit_is_accepted(name: str, at: int, bit: int) -> None:
    authenticator, kept = _kept()
    answer = _changed(authenticator.get(_options()), name, at, bit)
    assert passkeys.used_count(SITE, CHALLENGE, answer, kept) is None


@given(
    st.sampled_from(["clientDataJSON", "attestationObject"]),
    st.integers(0, 500),
    st.integers(0, 7),
)
@example("clientDataJSON", 84, 0)
@example("attestationObject", 118, 0)
@example("attestationObject", 120, 0)
@example("attestationObject", 159, 0)
def test_a_changed_creation_is_refused_or_another_key(name: str, at: int, bit: int) -> None:
    answer = _changed(Authenticator().create(_options()), name, at, bit)
    made = passkeys.created(SITE, CHALLENGE, answer)
    assert made is None or name == "attestationObject" or _challenge(answer) == CHALLENGE


@given(_JSON)
def test_anything_else_is_refused(anything: object) -> None:
    _, kept = _kept()
    for text in (json.dumps(anything), json.dumps({"response": anything, "id": anything})):
        assert passkeys.created(SITE, CHALLENGE, text) is None
        assert passkeys.used_count(SITE, CHALLENGE, text, kept) is None
        assert passkeys.credential_id(text) is None
