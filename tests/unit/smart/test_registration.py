"""What a client may say of itself."""

from typing import Any

import pytest
from authlib.oauth2.rfc7591.errors import InvalidClientMetadataError, InvalidRedirectURIError
from joserfc.jwk import ECKey, OctKey, RSAKey

from fhirserver.smart.assertion import key_faults
from fhirserver.smart.registration import read, redirect_fault

APP: dict[str, Any] = {"client_name": "App", "redirect_uris": ["https://app.example.org/back"]}


@pytest.mark.parametrize(
    "uri",
    [
        "https://app.example.org/back?a=1",
        "http://127.0.0.1:3000/back",
        "http://[::1]/back",
        "http://localhost:8000/",
        "com.example.app:/back",
    ],
)
def test_people_can_be_sent_back_here(uri: str) -> None:
    assert redirect_fault(uri, public=True) is None


@pytest.mark.parametrize(
    "uri",
    [
        "http://app.example.org/back",
        "http://127.0.0.1.example.org/back",
        "http://localhost.example.org/",
        "https://user@app.example.org/back",
        "https://app.example.org/back#part",
        "https://app.example.org\\@evil.example.org/",
        "https://*.example.org/back",
        "https:///back",
        "/back",
        "javascript:alert(1)",
        "data:text/html,x",
        "app:/back",
        "https://äpp.example.org/",
        "https://app.example.org/" + "x" * 2048,
        "https://app.example.org/a b",
        "https://[half/",
        "",
    ],
)
def test_people_cannot_be_sent_back_here(uri: str) -> None:
    assert redirect_fault(uri, public=True) is not None


def test_an_own_scheme_is_for_apps_that_keep_no_secret() -> None:
    assert redirect_fault("com.example.app:/back", public=False) is not None


def test_an_app_says_little_and_gets_what_is_usual() -> None:
    app = read(APP, by_administrator=False)
    assert app.authentication == "client_secret_basic"
    assert app.grant_types == ("authorization_code",)
    assert "patient/*.cruds" in app.scopes
    assert "launch/patient" in app.scopes
    assert "system" not in {one.partition("/")[0] for one in app.scopes}


@pytest.mark.parametrize(
    "other",
    [
        {"grant_types": ["refresh_token"]},
        {"grant_types": "authorization_code"},
        {"grant_types": [1]},
        {"grant_types": ["client_credentials"]},
        {"redirect_uris": "https://app.example.org/back"},
        {"scope": ["patient/*.rs"]},
        {"scope": "system/*.rs"},
        {"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": "ftp://x/jwks"},
        {"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": []}},
        {"client_name": "A\u202eB"},
        {"client_name": " "},
        {"client_name": "x" * 201},
        {"contacts": "me"},
    ],
)
def test_what_makes_no_sense_is_refused(other: dict[str, Any]) -> None:
    with pytest.raises((InvalidClientMetadataError, InvalidRedirectURIError)):
        read(APP | other, by_administrator=True)


def test_a_program_needs_a_key_scopes_and_an_administrator() -> None:
    program = {
        "client_name": "Program",
        "grant_types": ["client_credentials"],
        "token_endpoint_auth_method": "private_key_jwt",
        "jwks_uri": "https://app.example.org/jwks",
        "scope": "system/Patient.rs",
    }
    assert read(program, by_administrator=True).scopes == ("system/Patient.rs",)
    with pytest.raises(InvalidClientMetadataError):
        read(program, by_administrator=False)
    for other in ({"scope": None}, {"token_endpoint_auth_method": "client_secret_basic"}):
        with pytest.raises(InvalidClientMetadataError):
            read(program | other, by_administrator=True)


def test_keys_are_public_named_and_strong() -> None:
    rsa = RSAKey.generate_key(2048, {"kid": "1"})
    good = rsa.as_dict(private=False)
    assert key_faults({"keys": [good]}) is None
    assert (
        key_faults({"keys": [ECKey.generate_key("P-384", {"kid": "1"}).as_dict(private=False)]})
        is None
    )
    weak: list[Any] = [
        {},
        {"keys": []},
        {"keys": "x"},
        {"keys": [{**good, "kid": ""}]},
        {"keys": [rsa.as_dict(private=True)]},
        {"keys": [{**OctKey.generate_key(256).as_dict(private=True), "kid": "1"}]},
        {"keys": [ECKey.generate_key("P-256", {"kid": "1"}).as_dict(private=False)]},
        {"keys": [{**good, "use": "enc"}]},
        {"keys": [{**good, "n": "AQAB"}]},
    ]
    for keys in weak:
        assert key_faults(keys) is not None, keys
