"""What a request says, before anybody is asked."""

import base64
from datetime import UTC, datetime
from typing import Any

import pytest
from authlib.oauth2.rfc6749.errors import (
    InvalidClientError,
    InvalidRequestError,
    InvalidScopeError,
)
from hypothesis import given
from hypothesis import strategies as st

from fhirserver.crypto.secret_digest import secret_digest
from fhirserver.smart import assertion, client_authentication, form, token_request
from fhirserver.smart.authorization_request import redirect_with
from fhirserver.smart.client import AUTHENTICATIONS, Client, origin_of

NOW = datetime(2026, 3, 4, tzinfo=UTC)
CREDENTIALS = ("client_id", "client_secret", "client_assertion", "client_assertion_type")


def basic(name: str, secret: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode()


def client(**other: Any) -> Client:
    usual: dict[str, Any] = {
        "id": "app",
        "tenant": 1,
        "name": "App",
        "authentication": "client_secret_basic",
        "grant_types": ("authorization_code",),
        "redirect_uris": ("https://App.example.org:8443/back", "com.example.app:/back"),
        "scopes": ("system/Patient.rs",),
        "registered": NOW,
        "secret": secret_digest("s"),
    }
    return Client(**(usual | other))


def test_parameters_come_once_and_empty_ones_not_at_all() -> None:
    assert form.read("a=1&b=&c=%20x") == {"a": "1", "c": " x"}
    for text in ("a=1&a=2", "a=&a=1", "&".join(f"p{number}=1" for number in range(101))):
        with pytest.raises(InvalidRequestError):
            form.read(text)


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        assert all(form.read(text).values())
    except InvalidRequestError:
        return


@given(st.text(), st.dictionaries(st.sampled_from(CREDENTIALS), st.text(min_size=1)))
def test_any_credentials_are_read_or_refused(header: str, fields: dict[str, str]) -> None:
    for authorization in (header, f"Basic {header}", None):
        try:
            found = client_authentication.read(authorization, fields)
        except (InvalidClientError, InvalidRequestError):
            continue
        assert found.method in AUTHENTICATIONS


@pytest.mark.parametrize("deep", ["header", "payload"])
def test_an_assertion_nested_without_end_is_none(deep: str) -> None:
    parts = {
        "header": b'{"alg": "RS384", "kid": "1"}',
        "payload": b'{"sub": "app"}',
        deep: b'{"a":' * 2000 + b"1" + b"}" * 2000,
    }
    text = ".".join(
        base64.urlsafe_b64encode(parts[name]).decode().rstrip("=") for name in ("header", "payload")
    )

    with pytest.raises(InvalidClientError):
        assertion.claimed(f"{text}.c2ln")


@given(st.text())
def test_any_text_is_no_assertion_of_a_client(text: str) -> None:
    with pytest.raises(InvalidClientError):
        assertion.claimed(text)


def test_a_header_carries_names_as_forms_do() -> None:
    found = client_authentication.read(basic("my%20app", "a%2Bb"), {})
    assert (found.client_id, found.secret) == ("my app", "a+b")


@pytest.mark.parametrize(
    "header", ["Basic", "Basic !!", "Basic " + base64.b64encode(b"nocolon").decode(), "Bearer x"]
)
def test_a_header_without_meaning_is_refused(header: str) -> None:
    with pytest.raises(InvalidClientError):
        client_authentication.read(header, {})


def test_a_client_that_says_two_names_is_refused() -> None:
    with pytest.raises(InvalidClientError):
        client_authentication.read(basic("a", "s"), {"client_id": "b"})
    with pytest.raises(InvalidRequestError):
        client_authentication.read(basic("a", "s"), {"client_id": "a", "client_secret": "s"})


def test_only_the_registered_way_and_secret_are_accepted() -> None:
    good = client_authentication.read(basic("app", "s"), {})
    assert client_authentication.accept(good, client()).id == "app"
    posted = client_authentication.read(None, {"client_id": "app", "client_secret": "s"})
    bare = client_authentication.read(None, {"client_id": "app"})
    wrong = client_authentication.read(basic("app", "t"), {})
    for credentials, known in (
        (posted, client()),
        (bare, client()),
        (wrong, client()),
        (good, None),
        (good, client(disabled=NOW)),
        (good, client(authentication="none", secret=None)),
    ):
        with pytest.raises(InvalidClientError) as refused:
            client_authentication.accept(credentials, known)
        assert refused.value.status_code == 401


GRANTED = ("offline_access", "patient/Patient.rs", "patient/Observation.cruds")


@pytest.mark.parametrize(
    "asked",
    [
        "patient/Patient.rs",
        "patient/Patient.r patient/Patient.rs",
        "patient/Observation.r offline_access",
        "patient/Observation.rs?category=laboratory",
        " ".join(GRANTED),
    ],
)
def test_fewer_scopes_may_be_asked_for_again(asked: str) -> None:
    assert set(token_request.asked_again(GRANTED, asked).texts()) == set(asked.split())
    assert token_request.asked_again(GRANTED, None).texts() == GRANTED


@pytest.mark.parametrize(
    "asked",
    [
        "patient/*.rs",
        "patient/Patient.cruds",
        "user/Patient.rs",
        "system/Patient.rs",
        "online_access",
        "openid patient/Patient.rs",
        "patient/Patient.rs nonsense",
    ],
)
def test_more_scopes_are_refused(asked: str) -> None:
    with pytest.raises(InvalidScopeError):
        token_request.asked_again(GRANTED, asked)


def test_the_origin_of_an_app_is_that_of_its_pages() -> None:
    assert client().origins == {"https://app.example.org:8443"}
    assert origin_of("com.example.app:/back") is None


def test_an_answer_joins_the_query_of_the_address() -> None:
    assert redirect_with("https://a/b", {"code": "x y"}) == "https://a/b?code=x+y"
    assert redirect_with("https://a/b?c=1", {"code": "x"}) == "https://a/b?c=1&code=x"
