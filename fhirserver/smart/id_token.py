"""The identity token: who logged in, signed so that the app can check it.

Spec: https://openid.net/specs/openid-connect-core-1_0.html#IDToken,
https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#scopes-for-requesting-identity-data
"""

from datetime import datetime
from typing import Final

from joserfc import jwt

from fhirserver.smart.family import ACCESS_LIFETIME, Family
from fhirserver.smart.signing_key import ALGORITHM, SigningKey

OPENID: Final = "openid"
FHIR_USER: Final = ("fhirUser", "profile")


def id_token(family: Family, issuer: str, fhir_base: str, key: SigningKey, now: datetime) -> str:
    """Return the signed token of the person behind `family`, for its client alone."""
    claims: dict[str, object] = {
        "iss": issuer,
        "sub": family.account,
        "aud": family.client,
        "iat": int(now.timestamp()),
        "exp": int((now + ACCESS_LIFETIME).timestamp()),
        "auth_time": int(family.authenticated.timestamp()),
    }
    if family.nonce is not None:
        claims["nonce"] = family.nonce
    claims |= fhir_user(family, fhir_base)
    return jwt.encode({"alg": ALGORITHM, "kid": key.kid}, claims, key.private, [ALGORITHM])


def fhir_user(family: Family, fhir_base: str) -> dict[str, str]:
    """Return the claim fhirUser where it was asked for and there is a resource of the person."""
    if not family.fhir_user or not set(FHIR_USER) & set(family.scopes):
        return {}
    return {"fhirUser": f"{fhir_base}/{family.fhir_user}"}
