"""What a client says of itself when it is registered, judged.

The same rules hold for clients an administrator adds and for those that register themselves; the
latter may be limited further (`Policy`).

Spec: https://www.rfc-editor.org/rfc/rfc7591, https://www.rfc-editor.org/rfc/rfc8252#section-7,
https://hl7.org/fhir/smart-app-launch/STU2.2/client-confidential-asymmetric.html#registering-a-client-communicating-public-keys
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast
from urllib.parse import urlsplit

from authlib.oauth2.rfc7591 import ClientMetadataClaims
from authlib.oauth2.rfc7591.errors import InvalidClientMetadataError, InvalidRedirectURIError
from joserfc.errors import JoseError

from fhirserver.auth.scopes import UnknownScope, read_scopes
from fhirserver.smart.assertion import key_faults
from fhirserver.smart.client import (
    AUTHENTICATIONS,
    AUTHORIZATION_CODE,
    CLIENT_CREDENTIALS,
    GRANT_TYPES,
    REFRESH_TOKEN,
    Authentication,
)

_LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")
_LONGEST_URI: Final = 2048
_LONGEST_NAME: Final = 200
_MOST: Final = 50
# A scheme of an app's own is a domain name turned round, so that no two apps share one (RFC 8252 section 7.1).
_OWN_SCHEME: Final = re.compile(r"[a-z][a-z0-9+-]*(\.[a-z0-9+-]+)+")
_DETAILS: Final = (
    "client_uri",
    "logo_uri",
    "contacts",
    "tos_uri",
    "policy_uri",
    "launch_uri",
    "software_id",
    "software_version",
)
_STANDARD_SCOPES: Final = (
    "openid fhirUser launch launch/patient launch/encounter offline_access online_access"
)


@dataclass(frozen=True, slots=True)
class Registration:
    """What a client is to be; see `fhirserver.smart.client.Client`."""

    name: str
    authentication: Authentication
    grant_types: tuple[str, ...]
    redirect_uris: tuple[str, ...]
    scopes: tuple[str, ...]
    jwks: Mapping[str, Any] | None
    jwks_uri: str | None
    details: Mapping[str, Any]


def read(metadata: Mapping[str, Any], *, by_administrator: bool) -> Registration:
    """Return what the client metadata of RFC 7591 ask for.

    Programs that act for themselves are registered by an administrator only. Raises
    `InvalidRedirectURIError`, `InvalidClientMetadataError`.
    """
    metadata = {name: value for name, value in metadata.items() if value is not None}
    checked = ClientMetadataClaims(dict(metadata), {})
    try:
        checked.validate()
    except (JoseError, ValueError, TypeError, AttributeError) as problem:
        raise InvalidClientMetadataError("The metadata of the client cannot be used.") from problem
    authentication = checked["token_endpoint_auth_method"]
    if authentication not in AUTHENTICATIONS:
        raise InvalidClientMetadataError("token_endpoint_auth_method is not supported.")
    grant_types = _grant_types(metadata)
    backend = CLIENT_CREDENTIALS in grant_types
    if backend and authentication != "private_key_jwt":
        raise InvalidClientMetadataError("client_credentials needs private_key_jwt.")
    if backend and not by_administrator:
        raise InvalidClientMetadataError("client_credentials is given by an administrator only.")
    if _texts(metadata, "response_types") not in ((), ("code",)):
        raise InvalidClientMetadataError("The only response type is code.")
    jwks, jwks_uri = _keys(metadata, needed=authentication == "private_key_jwt")
    return Registration(
        _name(metadata),
        cast("Authentication", authentication),
        grant_types,
        _redirect_uris(metadata, grant_types, public=authentication == "none"),
        _scopes(metadata, backend=backend),
        jwks,
        jwks_uri,
        {name: metadata[name] for name in _DETAILS if name in metadata},
    )


def redirect_fault(uri: str, *, public: bool) -> str | None:
    """Return why people cannot be sent back to `uri`, None when they can."""
    if len(uri) > _LONGEST_URI or not uri.isascii() or not uri.isprintable() or " " in uri:
        return "A redirect URI is a URL in printable ASCII."
    try:
        parts = urlsplit(uri)
        host = parts.hostname
    except ValueError:
        return "A redirect URI is a URL in printable ASCII."
    if "#" in uri or parts.username is not None or "\\" in uri or "*" in uri:
        return "A redirect URI has no fragment, user or wildcard."
    if parts.scheme == "https" and host:
        return None
    if parts.scheme == "http" and host in _LOOPBACK:
        return None
    if public and _OWN_SCHEME.fullmatch(parts.scheme) and len(uri) > len(parts.scheme) + 2:
        return None
    return (
        "Redirect URIs are https; http on loopback; or a public app's own com.example.app scheme."
    )


def _grant_types(metadata: Mapping[str, Any]) -> tuple[str, ...]:
    asked = _texts(metadata, "grant_types") or (AUTHORIZATION_CODE,)
    if not set(asked) <= set(GRANT_TYPES):
        raise InvalidClientMetadataError("A grant type is not supported.")
    if REFRESH_TOKEN in asked and AUTHORIZATION_CODE not in asked:
        raise InvalidClientMetadataError("refresh_token goes with authorization_code.")
    return tuple(dict.fromkeys(asked))


def _redirect_uris(
    metadata: Mapping[str, Any], grant_types: Sequence[str], *, public: bool
) -> tuple[str, ...]:
    uris = _texts(metadata, "redirect_uris")
    if AUTHORIZATION_CODE in grant_types and not uris:
        raise InvalidRedirectURIError("redirect_uris is missing.")
    for uri in uris:
        if (fault := redirect_fault(uri, public=public)) is not None:
            raise InvalidRedirectURIError(fault)
    return uris


def _scopes(metadata: Mapping[str, Any], *, backend: bool) -> tuple[str, ...]:
    text = metadata.get("scope")
    if text is None:
        text = "" if backend else f"{_STANDARD_SCOPES} patient/*.cruds user/*.cruds"
    if not isinstance(text, str):
        raise InvalidClientMetadataError("scope is a text with blanks between scopes.")
    try:
        scopes = read_scopes(text, strict=True)
    except UnknownScope as problem:
        raise InvalidClientMetadataError("A scope is not known here.") from problem
    if "system" in scopes.contexts() and not backend:
        raise InvalidClientMetadataError("system scopes go with client_credentials.")
    if backend and not scopes.resources:
        raise InvalidClientMetadataError("client_credentials needs system scopes.")
    return scopes.texts()


def _keys(
    metadata: Mapping[str, Any], *, needed: bool
) -> tuple[Mapping[str, Any] | None, str | None]:
    jwks, uri = metadata.get("jwks"), metadata.get("jwks_uri")
    if not needed:
        return None, None
    if (jwks is None) == (uri is None):
        raise InvalidClientMetadataError("private_key_jwt needs jwks or jwks_uri, one of them.")
    if jwks is not None:
        fault = key_faults(jwks) if isinstance(jwks, dict) else "jwks must be a JWK set."
        if fault is not None:
            raise InvalidClientMetadataError(fault)
        return jwks, None
    if not isinstance(uri, str) or urlsplit(uri).scheme not in ("https", "http"):
        raise InvalidClientMetadataError("jwks_uri must be an https URL.")
    return None, uri


def _name(metadata: Mapping[str, Any]) -> str:
    name = metadata.get("client_name")
    if not isinstance(name, str) or not name.strip() or len(name) > _LONGEST_NAME:
        raise InvalidClientMetadataError("client_name is missing or too long.")
    if not name.isprintable():
        raise InvalidClientMetadataError("client_name has letters that cannot be shown.")
    return name.strip()


def _texts(metadata: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = metadata.get(name, [])
    if not isinstance(value, list | tuple) or len(value) > _MOST:
        raise InvalidClientMetadataError(f"{name} is a short list of texts.")
    if not all(isinstance(one, str) for one in value):
        raise InvalidClientMetadataError(f"{name} is a short list of texts.")
    return tuple(value)
