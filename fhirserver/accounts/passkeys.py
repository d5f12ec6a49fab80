"""Passkeys: what a browser is asked, and whether what it answers is right.

Discoverable credentials with user verification, so that a passkey needs neither a name nor a password.
Spec: https://www.w3.org/TR/webauthn-3/
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import parse_authentication_credential_json
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

_SERVER: Final = "fhirserver"
# What the library raises for answers that are none: a key without its parts, or of other types, ends in a lookup or a type;
# nesting without end in the last of them.
_WRONG: Final = (
    WebAuthnException,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    RecursionError,
)


@dataclass(frozen=True, slots=True)
class Site:
    """Where passkeys are good: the origin of the pages, and the host name credentials are bound to."""

    origin: str
    host: str


@dataclass(frozen=True, slots=True)
class Passkey:
    """A credential as it is kept; `count` is its signature counter, 0 where the device has none."""

    credential: bytes
    public_key: bytes
    count: int


def site_of(base_url: str) -> Site:
    """Return the site of a server at `base_url`."""
    parts = urlsplit(base_url)
    return Site(f"{parts.scheme}://{parts.netloc}", parts.hostname or "")


def creation_options(
    site: Site, challenge: bytes, handle: bytes, login: str, name: str, known: Sequence[bytes]
) -> str:
    """Return the JSON of what a browser needs to make a passkey; `known` ones are not made again."""
    return options_to_json(
        generate_registration_options(
            rp_id=site.host,
            rp_name=_SERVER,
            user_id=handle,
            user_name=login,
            user_display_name=name,
            challenge=challenge,
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.REQUIRED,
                user_verification=UserVerificationRequirement.REQUIRED,
            ),
            exclude_credentials=[PublicKeyCredentialDescriptor(id=one) for one in known],
        )
    )


def request_options(site: Site, challenge: bytes) -> str:
    """Return the JSON of what a browser needs to ask for any passkey of this site."""
    return options_to_json(
        generate_authentication_options(
            rp_id=site.host,
            challenge=challenge,
            user_verification=UserVerificationRequirement.REQUIRED,
        )
    )


def created(site: Site, challenge: bytes, credential: str) -> Passkey | None:
    """Return the passkey that a browser made for `challenge`, None when its answer is not right."""
    try:
        made = verify_registration_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=site.host,
            expected_origin=site.origin,
            require_user_verification=True,
        )
    except _WRONG:
        return None
    return Passkey(made.credential_id, made.credential_public_key, made.sign_count)


def credential_id(credential: str) -> bytes | None:
    """Return which credential an answer says it is of, None when it is no answer."""
    try:
        return parse_authentication_credential_json(credential).raw_id
    except _WRONG:
        return None


def used_count(site: Site, challenge: bytes, credential: str, passkey: Passkey) -> int | None:
    """Return the counter after `passkey` signed `challenge`, None when it did not, or was copied."""
    try:
        return verify_authentication_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=site.host,
            expected_origin=site.origin,
            credential_public_key=passkey.public_key,
            credential_current_sign_count=passkey.count,
            require_user_verification=True,
        ).new_sign_count
    except _WRONG:
        return None
