"""A family: what somebody allowed a client at one moment, and the code and tokens that come of it.

Whatever shows that one of its secrets is in wrong hands ends the whole family.

Spec: https://www.rfc-editor.org/rfc/rfc9700#section-4.14, https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from fhirserver.kernel.principal import Principal

CODE_LIFETIME: Final = timedelta(minutes=1)
ACCESS_LIFETIME: Final = timedelta(hours=1)
BACKEND_LIFETIME: Final = timedelta(minutes=5)
# How long a refresh token may lie unused, and how long somebody's consent lasts without being asked again.
REFRESH_LIFETIME: Final = timedelta(days=30)
FAMILY_LIFETIME: Final = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Family:
    """`principal` is who the tokens act as, `account` whose login allowed it, in `session`.

    `fhir_user` is a relative reference, "" where there is none. `context` holds what goes with the
    token: encounter, fhirContext, intent, need_patient_banner. `authenticated` is when the person
    logged in, `expires` when the last token ends.
    """

    id: UUID
    principal: Principal
    client: str
    account: str
    session: str
    fhir_user: str
    scopes: tuple[str, ...]
    patient: str | None
    authenticated: datetime
    begun: datetime
    expires: datetime
    context: Mapping[str, Any] = field(default_factory=dict)
    nonce: str | None = None
    revoked: datetime | None = None


@dataclass(frozen=True, slots=True)
class Code:
    """An authorization code as it is kept: not itself, but what it is good for."""

    family: Family
    redirect_uri: str
    challenge: str
    expires: datetime
    used: datetime | None


@dataclass(frozen=True, slots=True)
class Refresh:
    """A refresh token as it is kept."""

    family: Family
    issued: datetime
    expires: datetime
    used: datetime | None


@dataclass(frozen=True, slots=True)
class Known:
    """An access token as it is kept. `family` is None for those of programs that act for themselves."""

    principal: Principal
    scopes: tuple[str, ...]
    patient: str | None
    client: str
    account: str | None
    issued: datetime
    expires: datetime
    family: Family | None
