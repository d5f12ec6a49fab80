"""What clients are told: of tokens they get, and of tokens they ask about.

Spec: https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#response-5,
https://hl7.org/fhir/smart-app-launch/STU2.2/token-introspection.html, https://www.rfc-editor.org/rfc/rfc7662#section-2.2,
https://www.rfc-editor.org/rfc/rfc7591#section-3.2.1
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from fhirserver.smart.client import Client
from fhirserver.smart.discovery import Addresses
from fhirserver.smart.family import Family, Known, Refresh
from fhirserver.smart.id_token import OPENID, fhir_user
from fhirserver.smart.people import Launch

INACTIVE: Final[Mapping[str, Any]] = {"active": False}


def launch_context(launch: Launch | None, encounter: str | None) -> dict[str, Any]:
    """Return what of a launch and an `encounter` (id) goes with every token that comes of it, beside the patient."""
    about = {} if encounter is None else {"encounter": encounter}
    if launch is None:
        # Who launches by themselves sees no banner of ours around the app.
        return {"need_patient_banner": True, **about}
    context: dict[str, Any] = {"need_patient_banner": launch.need_patient_banner, **about}
    if launch.fhir_context:
        context["fhirContext"] = [dict(one) for one in launch.fhir_context]
    if launch.intent is not None:
        context["intent"] = launch.intent
    return context


def issued(
    token: str,
    lifetime: timedelta,
    scope: str,
    family: Family | None,
    *,
    refresh: str | None = None,
    identity: str | None = None,
) -> dict[str, Any]:
    """Return the answer of the token endpoint; `family` None for a program that acts for itself."""
    answer: dict[str, Any] = {
        "access_token": token,
        "token_type": "Bearer",
        "expires_in": int(lifetime.total_seconds()),
        "scope": scope,
    }
    if refresh is not None:
        answer["refresh_token"] = refresh
    if identity is not None:
        answer["id_token"] = identity
    return answer | context_of(family)


def context_of(family: Family | None) -> dict[str, Any]:
    """Return the launch context of a token."""
    if family is None:
        return {}
    patient = {} if family.patient is None else {"patient": family.patient}
    return {**patient, **family.context}


def introspected(token: Known | Refresh, at: Addresses) -> dict[str, Any]:
    """Return what is told of a token that is good."""
    family = token.family
    if isinstance(token, Known):
        about: dict[str, Any] = {
            "scope": " ".join(token.scopes),
            "client_id": token.client,
            "token_type": "Bearer",
            "sub": token.account or token.client,
        }
    else:
        about = {
            "scope": " ".join(token.family.scopes),
            "client_id": token.family.client,
            "sub": token.family.account,
        }
    times = {"iat": int(token.issued.timestamp()), "exp": int(token.expires.timestamp())}
    answer = {"active": True, "iss": at.issuer, "aud": at.fhir_base, **about, **times}
    answer |= context_of(family)
    if family is not None and OPENID in family.scopes:
        answer |= fhir_user(family, at.fhir_base)
    return answer


def registered(client: Client, secret: str | None) -> dict[str, Any]:
    """Return what is told of a client; `secret` only at the moment it was made."""
    told: dict[str, Any] = {
        "client_id": client.id,
        "client_id_issued_at": int(client.registered.timestamp()),
        "client_name": client.name,
        "token_endpoint_auth_method": client.authentication,
        "grant_types": list(client.grant_types),
        "response_types": ["code"] if client.redirect_uris else [],
        "redirect_uris": list(client.redirect_uris),
        "scope": " ".join(client.scopes),
        **client.details,
    }
    if secret is not None:
        told |= {"client_secret": secret, "client_secret_expires_at": 0}
    if client.jwks is not None:
        told["jwks"] = client.jwks
    if client.jwks_uri is not None:
        told["jwks_uri"] = client.jwks_uri
    return told
