"""What a client may have for a code or a refresh token.

Spec: https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#obtain-access-token,
https://www.rfc-editor.org/rfc/rfc7636#section-4.6, https://www.rfc-editor.org/rfc/rfc6749#section-6,
https://hl7.org/fhir/smart-app-launch/STU2.2/backend-services.html
"""

import hmac
from collections.abc import Mapping
from datetime import datetime

from authlib.oauth2.rfc6749.errors import (
    InvalidGrantError,
    InvalidRequestError,
    InvalidScopeError,
    UnauthorizedClientError,
    UnsupportedGrantTypeError,
)
from authlib.oauth2.rfc7636.challenge import CODE_VERIFIER_PATTERN, create_s256_code_challenge

from fhirserver.auth.scopes import Scopes, narrow, read_scopes
from fhirserver.smart.client import GRANT_TYPES, REFRESH_TOKEN, Client
from fhirserver.smart.family import Code, Family, Refresh

_OFFLINE = ("offline_access", "online_access")


def grant_type(form: Mapping[str, str]) -> str:
    """Return the grant type. Raises `UnsupportedGrantTypeError`, `InvalidRequestError`."""
    asked = form.get("grant_type")
    if asked is None:
        raise InvalidRequestError("grant_type is missing.")
    if asked not in GRANT_TYPES:
        raise UnsupportedGrantTypeError(asked if asked.isalnum() else "unknown")
    return asked


def permit(client: Client, asked: str) -> None:
    """Raise `UnauthorizedClientError` unless the client is registered for this grant type."""
    if asked not in client.grant_types:
        raise UnauthorizedClientError("The client is not registered for this grant type.")


def code_form(form: Mapping[str, str]) -> tuple[str, str, str]:
    """Return code, redirect_uri and code_verifier. Raises `InvalidRequestError` for one missing."""
    for name in ("code", "redirect_uri", "code_verifier"):
        if name not in form:
            raise InvalidRequestError(f"{name} is missing.")
    return form["code"], form["redirect_uri"], form["code_verifier"]


def redeem(code: Code, client: Client, redirect_uri: str, verifier: str, now: datetime) -> Family:
    """Return what the code stands for, which nobody has used before. Raises `InvalidGrantError`."""
    if code.family.client != client.id:
        raise InvalidGrantError("The code was made for another client.")
    if code.expires <= now or code.family.revoked is not None:
        raise InvalidGrantError("The code has expired.")
    if code.redirect_uri != redirect_uri:
        raise InvalidGrantError("redirect_uri is not the one the code was sent to.")
    if not CODE_VERIFIER_PATTERN.match(verifier) or not hmac.compare_digest(
        str(create_s256_code_challenge(verifier)), code.challenge
    ):
        raise InvalidGrantError("code_verifier does not belong to the code_challenge.")
    return code.family


def renew(refresh: Refresh, client: Client, now: datetime) -> Family:
    """Return what the refresh token stands for, which nobody has used before. Raises `InvalidGrantError`."""
    if refresh.family.client != client.id:
        raise InvalidGrantError("The refresh token was given to another client.")
    if refresh.family.revoked is not None:
        raise InvalidGrantError("The refresh token was revoked.")
    if refresh.expires <= now or refresh.family.expires <= now:
        raise InvalidGrantError("The refresh token has expired.")
    return refresh.family


def asked_again(granted: tuple[str, ...], asked: str | None) -> Scopes:
    """Return the scopes of a refreshed token: those granted, or those `asked` for when they are among them.

    Raises `InvalidScopeError`.
    """
    whole = read_scopes(granted)
    if asked is None:
        return whole
    wanted = read_scopes(asked)
    if len(wanted.texts()) < len(set(asked.split())) or not all(
        one in whole.others for one in wanted.others
    ):
        raise InvalidScopeError("A refreshed token cannot have a scope that was not granted.")
    for one in wanted.resources:
        if one not in narrow(whole, Scopes((one,))).resources:
            raise InvalidScopeError("A refreshed token cannot have a scope that was not granted.")
    return wanted


def backend_scopes(client: Client, asked: str | None) -> Scopes:
    """Return the system scopes of a program that acts for itself. Raises `InvalidScopeError`."""
    if asked is None:
        raise InvalidScopeError("scope is missing.")
    wanted = read_scopes(asked)
    system = Scopes(tuple(one for one in wanted.resources if one.context == "system"), ())
    allowed = narrow(read_scopes(client.scopes), system)
    if not allowed.resources:
        raise InvalidScopeError("None of the scopes can be had by this client.")
    return allowed


def is_refreshable(scopes: Scopes, client: Client) -> bool:
    """Return whether a code with these scopes is worth a refresh token."""
    return REFRESH_TOKEN in client.grant_types and any(map(scopes.has, _OFFLINE))


def ends_with_session(scopes: tuple[str, ...]) -> bool:
    """Return whether refreshing goes on only while the person is logged in."""
    return "offline_access" not in scopes
