"""A client: an app or program that may ask for tokens, as it was registered.

Spec: https://hl7.org/fhir/smart-app-launch/STU2.2/client-confidential-asymmetric.html,
https://www.rfc-editor.org/rfc/rfc7591#section-2
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal
from urllib.parse import urlsplit

Authentication = Literal["none", "client_secret_basic", "client_secret_post", "private_key_jwt"]

AUTHENTICATIONS: Final = ("none", "client_secret_basic", "client_secret_post", "private_key_jwt")
WITH_SECRET: Final = ("client_secret_basic", "client_secret_post")
AUTHORIZATION_CODE: Final = "authorization_code"
REFRESH_TOKEN: Final = "refresh_token"  # noqa: S105 - the name of a grant type
CLIENT_CREDENTIALS: Final = "client_credentials"
GRANT_TYPES: Final = (AUTHORIZATION_CODE, REFRESH_TOKEN, CLIENT_CREDENTIALS)


@dataclass(frozen=True, slots=True)
class Client:
    """One registered client.

    `secret` is the SHA-256 digest of its secret, None where it has none. `scopes` are the most it
    may ask for. `jwks` is a JWK set given inline, `jwks_uri` where one is fetched from. A client that
    `introspects` may ask about every token of its tenant, others about their own. `details` are
    further metadata of RFC 7591 (client_uri, logo_uri, contacts ...).
    """

    id: str
    tenant: int
    name: str
    authentication: Authentication
    grant_types: tuple[str, ...]
    redirect_uris: tuple[str, ...]
    scopes: tuple[str, ...]
    registered: datetime
    secret: bytes | None = None
    jwks: Mapping[str, Any] | None = None
    jwks_uri: str | None = None
    introspects: bool = False
    details: Mapping[str, Any] = field(default_factory=dict)
    disabled: datetime | None = None

    @property
    def is_confidential(self) -> bool:
        """Whether it can prove who it is."""
        return self.authentication != "none"

    @property
    def origins(self) -> frozenset[str]:
        """The origins its pages have: those of its redirect URIs that are web pages."""
        return frozenset(filter(None, map(origin_of, self.redirect_uris)))


def origin_of(uri: str) -> str | None:
    """Return the origin (``https://app.example.org``) of a web address, None for anything else."""
    parts = urlsplit(uri)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return None
    return f"{parts.scheme}://{parts.netloc.lower()}"
