"""Whether the patient a message names is the one its device is bound to. Nothing here ever binds. Pure."""

import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import quote

from adapters.hl7v2.device.reported import PatientId
from adapters.hl7v2.device.sender import Sender
from adapters.hl7v2.mapping.steps import AUTHORITY
from fhirserver.kernel.resource import Json

_OID: Final = re.compile(r"[0-2](\.\d+)+")


def is_somebody_else(told: Sequence[PatientId], sender: Sender, patient: Json) -> bool:
    """Return whether `told` has an identifier of a system the patient has one of, and none of them is hers.

    Where no system is common nothing can be compared, and nothing is refused.
    """
    known = {
        (one.get("system"), one.get("value"))
        for one in patient.get("identifier", ())
        if one.get("value")
    }
    systems = {system for system, _ in known}
    compared = [(system, one.value) for one in told if (system := _system(one, sender)) in systems]
    return bool(compared) and not known.intersection(compared)


def _system(one: PatientId, sender: Sender) -> str | None:
    if one.authority is None:
        return None
    if one.authority in sender.identifiers:
        return sender.identifiers[one.authority]
    if _OID.fullmatch(one.authority):
        return f"urn:oid:{one.authority}"
    return AUTHORITY + quote(one.authority, safe="/")
