"""What an app asks for at the authorization endpoint, judged before anybody is asked to log in.

Two kinds of refusal: while it is not certain that the app is who it says and that the answer would
reach it, nobody is sent anywhere and a page says what is wrong (`NoRedirect`); after that the app is
told by a redirect (Authlib's errors).

Spec: https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#obtain-authorization-code,
https://www.rfc-editor.org/rfc/rfc6749#section-4.1.1, https://www.rfc-editor.org/rfc/rfc7636#section-4.3,
https://openid.net/specs/openid-connect-core-1_0.html#AuthRequest
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode, urlsplit

from authlib.oauth2.rfc6749.errors import (
    InvalidRequestError,
    InvalidScopeError,
    OAuth2Error,
    UnauthorizedClientError,
    UnsupportedResponseTypeError,
)
from authlib.oauth2.rfc7636.challenge import CODE_CHALLENGE_PATTERN
from authlib.oidc.core.errors import RequestNotSupportedError, RequestURINotSupportedError

from fhirserver.auth.scopes import Scopes, narrow, read_scopes
from fhirserver.smart.client import AUTHORIZATION_CODE, Client

_LONGEST_STATE: Final = 2048
_PROMPTS: Final = frozenset(("none", "login", "consent", "select_account"))
_PERSONS: Final = frozenset(("patient", "user"))


class NoRedirect(Exception):
    """The request cannot be answered to the app; the message is for the person in front of it."""


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """A request that is in order. `scopes` are those asked for that the client may have.

    `prompt` holds OpenID Connect's words, `max_age` the most seconds since the login.
    """

    client: Client
    redirect_uri: str
    state: str
    scopes: Scopes
    challenge: str
    nonce: str | None
    launch: str | None
    prompt: frozenset[str]
    max_age: int | None


def destination(parameters: Mapping[str, str], client: Client | None) -> tuple[Client, str]:
    """Return the client and where its answer goes. Raises `NoRedirect` when either is in doubt."""
    if client is None or client.disabled is not None:
        raise NoRedirect("This app is not known here.")
    uri = parameters.get("redirect_uri", "")
    if uri not in client.redirect_uris:
        raise NoRedirect("The address to return to is not one the app has registered.")
    return client, uri


def read(
    parameters: Mapping[str, str], client: Client, redirect_uri: str, fhir_base: str
) -> AuthorizationRequest:
    """Return the request. Raises `OAuth2Error` saying what is wrong with it."""
    if "request" in parameters:
        raise RequestNotSupportedError
    if "request_uri" in parameters:
        raise RequestURINotSupportedError
    if "response_type" not in parameters:
        raise InvalidRequestError("response_type is missing.")
    if parameters["response_type"] != "code":
        raise UnsupportedResponseTypeError("response_type must be code.")
    if parameters.get("response_mode", "query") != "query":
        raise InvalidRequestError("response_mode must be query.")
    if AUTHORIZATION_CODE not in client.grant_types:
        raise UnauthorizedClientError("This client may not ask people.")
    if parameters.get("aud", "").rstrip("/") != fhir_base:
        raise InvalidRequestError("aud must be the FHIR base URL of this server.")
    if len(parameters.get("state", "")) not in range(1, _LONGEST_STATE + 1):
        raise InvalidRequestError("state is missing or too long.")
    prompt = frozenset(parameters.get("prompt", "").split())
    if not prompt <= _PROMPTS or ("none" in prompt and len(prompt) > 1):
        raise InvalidRequestError("prompt is not known.")
    return AuthorizationRequest(
        client,
        redirect_uri,
        parameters["state"],
        _scopes(parameters, client),
        _challenge(parameters),
        parameters.get("nonce"),
        parameters.get("launch"),
        prompt,
        _seconds(parameters.get("max_age")),
    )


def redirect_with(redirect_uri: str, answer: Mapping[str, str]) -> str:
    """Return `redirect_uri` with `answer` in its query (RFC 6749 section 4.1.2)."""
    joint = "&" if urlsplit(redirect_uri).query else "?"
    return f"{redirect_uri}{joint}{urlencode(answer)}"


def refusal(error: OAuth2Error, parameters: Mapping[str, str], issuer: str) -> dict[str, str]:
    """Return what the app is told by a redirect (RFC 6749 section 4.1.2.1, RFC 9207)."""
    told = {"error": str(error.error), "iss": issuer}
    if error.description:
        told["error_description"] = str(error.description)
    if "state" in parameters:
        told["state"] = parameters["state"]
    return told


def _challenge(parameters: Mapping[str, str]) -> str:
    challenge = parameters.get("code_challenge", "")
    if parameters.get("code_challenge_method") != "S256":
        raise InvalidRequestError("code_challenge_method must be S256.")
    if not CODE_CHALLENGE_PATTERN.match(challenge):
        raise InvalidRequestError("code_challenge is missing or has the wrong form.")
    return challenge


def _scopes(parameters: Mapping[str, str], client: Client) -> Scopes:
    asked = read_scopes(parameters.get("scope", ""))
    persons = Scopes(tuple(one for one in asked.resources if one.context in _PERSONS), asked.others)
    allowed = narrow(read_scopes(client.scopes), persons)
    if not allowed.texts():
        raise InvalidScopeError("None of the scopes can be had by this client.")
    return allowed


def _seconds(text: str | None) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit()):
        raise InvalidRequestError("max_age must be a number of seconds.")
    return int(text[:9])
