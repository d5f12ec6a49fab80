"""Which client a request says it is from, and how it means to prove that.

Spec: https://www.rfc-editor.org/rfc/rfc6749#section-2.3, https://hl7.org/fhir/smart-app-launch/STU2.2/client-confidential-symmetric.html,
https://hl7.org/fhir/smart-app-launch/STU2.2/client-confidential-asymmetric.html
"""

import base64
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote_plus

from authlib.oauth2.rfc6749.errors import InvalidClientError, InvalidRequestError

from fhirserver.crypto.secret_digest import secret_digest
from fhirserver.smart.assertion import ASSERTION_TYPE, Claimed, claimed
from fhirserver.smart.client import Authentication, Client


@dataclass(frozen=True, slots=True)
class Credentials:
    """One way in which a request names its client. `said` belongs to `assertion`."""

    client_id: str
    method: Authentication
    secret: str | None = None
    assertion: str | None = None
    said: Claimed | None = None


def read(authorization: str | None, form: Mapping[str, str]) -> Credentials:
    """Return the credentials of a request with this Authorization header and form.

    Raises `InvalidClientError` when there are none or they have no meaning, `InvalidRequestError` when
    there are several.
    """
    ways: list[Credentials] = []
    if authorization is not None:
        ways.append(_basic(authorization))
    if "client_assertion" in form or "client_assertion_type" in form:
        ways.append(_asserted(form))
    if "client_secret" in form:
        ways.append(
            Credentials(form.get("client_id", ""), "client_secret_post", form["client_secret"])
        )
    if len(ways) > 1:
        raise InvalidRequestError("A client authenticates itself in one way at a time.")
    named = form.get("client_id")
    if not ways:
        if named is None:
            raise unproved("The client does not say who it is.")
        return Credentials(named, "none")
    if named is not None and named != ways[0].client_id:
        raise unproved("client_id is another client.")
    return ways[0]


def accept(credentials: Credentials, client: Client | None) -> Client:
    """Return the client unless it is unknown, disabled, or ought to prove itself in another way.

    A secret is compared here; an assertion still has to be proved. Raises `InvalidClientError`.
    """
    if client is None or client.disabled is not None:
        raise unproved("The client is not known.")
    if client.authentication != credentials.method:
        raise unproved("The client is registered for another way of authentication.")
    if credentials.secret is not None and not hmac.compare_digest(
        secret_digest(credentials.secret), client.secret or b""
    ):
        raise unproved("The secret is wrong.")
    return client


def unproved(reason: str) -> Exception:
    """Return the refusal of a client that is not proved to be who it says."""
    error: Exception = InvalidClientError(reason, status_code=401)
    return error


def _basic(authorization: str) -> Credentials:
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        raise unproved("Clients authenticate with Basic, an assertion or their client_id.")
    try:
        pair = base64.b64decode(encoded.strip(), validate=True).decode()
    except ValueError as problem:
        raise unproved("The Authorization header cannot be read.") from problem
    name, colon, secret = pair.partition(":")
    if not colon:
        raise unproved("The Authorization header cannot be read.")
    return Credentials(unquote_plus(name), "client_secret_basic", unquote_plus(secret))


def _asserted(form: Mapping[str, str]) -> Credentials:
    if form.get("client_assertion_type") != ASSERTION_TYPE:
        raise unproved("client_assertion_type is not the one of JWTs.")
    assertion = form.get("client_assertion")
    if assertion is None:
        raise unproved("client_assertion is missing.")
    said = claimed(assertion)
    return Credentials(said.client_id, "private_key_jwt", None, assertion, said)
