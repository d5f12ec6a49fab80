"""A registration becomes a client: it gets an id and, where it needs one, a secret."""

import secrets
from datetime import datetime
from typing import Final
from uuid import uuid4

from fhirserver.crypto.secret_digest import secret_digest
from fhirserver.smart.client import WITH_SECRET, Client
from fhirserver.smart.registration import Registration

_SECRET_BYTES: Final = 32


def enrolled(
    wanted: Registration,
    tenant: int,
    now: datetime,
    *,
    client_id: str | None = None,
    introspects: bool = False,
) -> tuple[Client, str | None]:
    """Return the client of `tenant` and its secret, which is kept nowhere but with its owner."""
    secret = new_secret() if wanted.authentication in WITH_SECRET else None
    client = Client(
        client_id or str(uuid4()),
        tenant,
        wanted.name,
        wanted.authentication,
        wanted.grant_types,
        wanted.redirect_uris,
        wanted.scopes,
        now,
        None if secret is None else secret_digest(secret),
        wanted.jwks,
        wanted.jwks_uri,
        introspects,
        wanted.details,
    )
    return client, secret


def new_secret() -> str:
    """Return 256 random bits as text."""
    return secrets.token_urlsafe(_SECRET_BYTES)
