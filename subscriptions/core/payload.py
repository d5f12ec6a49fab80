"""Subscription.channel.payload: in which form a notification is written.

https://hl7.org/fhir/R4/subscription-definitions.html#Subscription.channel.payload and
https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/payloads.html: a MIME type; its parameter
``fhirVersion`` must be one that this server speaks. Without a payload a plain R4 Subscription gets a
POST without a body.
"""

from email.message import Message
from typing import Final, Literal

from fhirserver.kernel.resource import Json
from fhirserver.wire import fhir_json, fhir_xml

Form = Literal["json", "xml"]
FORMS: Final[dict[str, Form]] = {
    "application/fhir+json": "json",
    "application/json": "json",
    "application/fhir+xml": "xml",
    "application/xml": "xml",
}
FHIR_VERSIONS: Final = ("4.0", "4.0.1")


def mime_of(payload: str) -> tuple[str, dict[str, str]]:
    """Return the MIME type in lower case and its parameters by lower-case name."""
    reader = Message()
    reader["Content-Type"] = payload
    found = reader.get_params(failobj=[("", "")])
    (mime, _), *parameters = found
    return mime.strip().lower(), {str(n).lower(): str(v).strip() for n, v in parameters}


def payload_fault(payload: str) -> str | None:
    """Return why notifications cannot be written as `payload`, None when they can."""
    mime, parameters = mime_of(payload)
    if mime not in FORMS or not payload.isprintable():
        return f"unsupported payload type {payload!r}"
    return version_fault(parameters) or _charset_fault(parameters)


def version_fault(parameters: dict[str, str]) -> str | None:
    """Return why the FHIR version a client asks for is not served, None when it is."""
    version = parameters.get("fhirversion")
    if version is None or version in FHIR_VERSIONS:
        return None
    return f"unsupported FHIR version {version!r}: this server speaks 4.0"


def _charset_fault(parameters: dict[str, str]) -> str | None:
    charset = parameters.get("charset", "utf-8")
    return None if charset.lower() in ("utf-8", "utf8") else "FHIR is written in UTF-8"


def render(resource: Json | None, payload: str | None) -> bytes:
    """Return `resource` written as `payload` (one without a fault); empty when either is None."""
    if resource is None or payload is None:
        return b""
    form = FORMS[mime_of(payload)[0]]
    return fhir_json.write(resource) if form == "json" else fhir_xml.write(resource)
