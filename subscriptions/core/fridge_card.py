"""The fridge card: what whoever comes to the door, or calls an ambulance, has to know.

The address is the Patient's; how to get in and the notes are a DocumentReference of type
``fridge-card`` with plain-text attachments titled ``access`` and ``notes``.
https://hl7.org/fhir/R4/documentreference.html. It is spoken to people who were asked to call the
emergency services, and shown to who may read the record; it is never part of a text message.
"""

import base64
import binascii
from dataclasses import dataclass
from typing import Any, Final

from fhirserver.kernel.canonical import DOCUMENT_TYPES
from fhirserver.kernel.resource import Json

# [P] What can be listened to on the telephone while somebody bleeds.
_LONGEST: Final = 500


@dataclass(frozen=True, slots=True)
class FridgeCard:
    """`address`, how to get in (`access`) and `notes`; "" where nothing is known."""

    address: str
    access: str
    notes: str


def is_fridge_card(document: Json) -> bool:
    """Return whether a DocumentReference is a fridge card in force."""
    codings = document.get("type", {}).get("coding", [])
    coded = any(
        c.get("system") == DOCUMENT_TYPES and c.get("code") == "fridge-card" for c in codings
    )
    return coded and document.get("status") == "current"


def patient_of(document: Json) -> str | None:
    """Return the id of the patient a DocumentReference is about."""
    type_, _, id_ = str(document.get("subject", {}).get("reference", "")).partition("/")
    return id_ if type_ == "Patient" and id_ else None


def card(patient: Json | None, document: Json | None) -> FridgeCard | None:
    """Return what is known of the way to a patient, None when nothing is."""
    parts = {"access": "", "notes": ""}
    for content in [] if document is None else document.get("content", []):
        attachment = content.get("attachment", {})
        title = str(attachment.get("title", "notes")).lower()
        text = _text(attachment)
        if text:
            part = title if title in parts else "notes"
            parts[part] = f"{parts[part]} {text}".strip()[:_LONGEST]
    found = FridgeCard(_address(patient), parts["access"], parts["notes"])
    return found if found != FridgeCard("", "", "") else None


def _text(attachment: Json) -> str:
    if not str(attachment.get("contentType", "")).startswith("text/plain"):
        return ""
    try:
        raw = base64.b64decode(str(attachment.get("data", "")), validate=True)
    except binascii.Error:
        return ""
    return " ".join(raw.decode("utf-8", "replace").split())


def _address(patient: Json | None) -> str:
    addresses = [] if patient is None else patient.get("address", [])
    usable = [a for a in addresses if a.get("use") not in ("old", "billing")]
    usable.sort(key=lambda a: a.get("use") != "home")
    return _spoken(usable[0]) if usable else ""


def _spoken(address: Any) -> str:
    if address.get("text"):
        return str(address["text"])[:_LONGEST]
    elements = ("postalCode", "city", "district", "state", "country")
    parts = [*address.get("line", []), *(address.get(element) for element in elements)]
    return ", ".join(str(part) for part in parts if part)[:_LONGEST]
