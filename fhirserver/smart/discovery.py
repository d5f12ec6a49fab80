"""What apps read before they begin: where the endpoints are and what they can do.

Spec: https://hl7.org/fhir/smart-app-launch/STU2.2/conformance.html,
https://openid.net/specs/openid-connect-discovery-1_0.html, https://www.rfc-editor.org/rfc/rfc8414
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from fhirserver.smart.assertion import ALGORITHMS
from fhirserver.smart.client import AUTHENTICATIONS, GRANT_TYPES
from fhirserver.smart.signing_key import ALGORITHM

CAPABILITIES: Final = (
    "launch-ehr",
    "launch-standalone",
    "authorize-post",
    "client-public",
    "client-confidential-symmetric",
    "client-confidential-asymmetric",
    "sso-openid-connect",
    "context-banner",
    "context-ehr-patient",
    "context-ehr-encounter",
    "context-standalone-patient",
    "context-standalone-encounter",
    "permission-offline",
    "permission-online",
    "permission-patient",
    "permission-user",
    "permission-v1",
    "permission-v2",
)
SCOPES: Final = (
    "openid",
    "fhirUser",
    "launch",
    "launch/patient",
    "launch/encounter",
    "offline_access",
    "online_access",
    "patient/*.cruds",
    "user/*.cruds",
    "system/*.cruds",
)


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where everything is. `issuer` is the server's URL and `fhir_base` that of its FHIR API, without final slashes."""

    issuer: str
    fhir_base: str

    @property
    def authorize(self) -> str:
        """Where apps send people."""
        return f"{self.issuer}/auth/authorize"

    @property
    def token(self) -> str:
        """Where tokens are had; the audience of assertions."""
        return f"{self.issuer}/auth/token"

    @property
    def introspect(self) -> str:
        """Where tokens are asked about."""
        return f"{self.issuer}/auth/introspect"

    @property
    def revoke(self) -> str:
        """Where tokens are given back."""
        return f"{self.issuer}/auth/revoke"

    @property
    def register(self) -> str:
        """Where clients register themselves."""
        return f"{self.issuer}/auth/register"

    @property
    def manage(self) -> str:
        """Where people see and end what they allowed."""
        return f"{self.issuer}/auth/manage"

    @property
    def jwks(self) -> str:
        """Where the public keys are."""
        return f"{self.issuer}/auth/jwks"


def smart_configuration(at: Addresses, *, registers: bool) -> dict[str, Any]:
    """Return the SMART configuration; `registers`: clients may register themselves."""
    return {
        **_server(at, registers=registers),
        "management_endpoint": at.manage,
        "capabilities": list(CAPABILITIES),
    }


def openid_configuration(at: Addresses, *, registers: bool) -> dict[str, Any]:
    """Return the metadata of the OpenID provider and authorization server."""
    return {
        **_server(at, registers=registers),
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [ALGORITHM],
        "response_modes_supported": ["query"],
        "claims_supported": ["iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "fhirUser"],
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
    }


def oauth_uris(at: Addresses, *, registers: bool) -> dict[str, Any]:
    """Return the extension by which older apps find the endpoints in the CapabilityStatement."""
    uris: Mapping[str, str] = {
        "authorize": at.authorize,
        "token": at.token,
        "introspect": at.introspect,
        "revoke": at.revoke,
        "manage": at.manage,
        **({"register": at.register} if registers else {}),
    }
    return {
        "url": "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris",
        "extension": [{"url": name, "valueUri": uri} for name, uri in uris.items()],
    }


def _server(at: Addresses, *, registers: bool) -> dict[str, Any]:
    proved = [one for one in AUTHENTICATIONS if one != "none"]
    return {
        "issuer": at.issuer,
        "authorization_endpoint": at.authorize,
        "token_endpoint": at.token,
        "introspection_endpoint": at.introspect,
        "revocation_endpoint": at.revoke,
        "jwks_uri": at.jwks,
        **({"registration_endpoint": at.register} if registers else {}),
        "grant_types_supported": list(GRANT_TYPES),
        "response_types_supported": ["code"],
        "scopes_supported": list(SCOPES),
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": [*proved, "none"],
        "token_endpoint_auth_signing_alg_values_supported": list(ALGORITHMS),
        "introspection_endpoint_auth_methods_supported": proved,
        "introspection_endpoint_auth_signing_alg_values_supported": list(ALGORITHMS),
        "revocation_endpoint_auth_methods_supported": [*proved, "none"],
        "revocation_endpoint_auth_signing_alg_values_supported": list(ALGORITHMS),
        "authorization_response_iss_parameter_supported": True,
    }
