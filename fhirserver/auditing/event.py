"""From a happening to its AuditEvents: one for each patient.

Query strings stand in `entity.query` in base64, as BALP wants them, so a malicious one is kept as it was. The server is
the source of every event. Nothing here needs more than the happening says.

Spec: https://profiles.ihe.net/ITI/BALP/content.html, https://hl7.org/fhir/R4/auditevent.html
"""

import base64
import ipaddress
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from fhirserver.auditing.codes import (
    BALP_ENTITY_TYPE,
    CODED,
    ENTITY_TYPE,
    OBJECT_ROLE,
    Code,
    Coded,
)
from fhirserver.kernel.audit import SUCCESS, Actor, Happening
from fhirserver.kernel.canonical import ACT_REASON
from fhirserver.kernel.resource import Json

PERSON: Final = Code(ENTITY_TYPE, "1")
# The patterns tell entities apart by type alone: each event has one System Object, what was asked or what it was about.
SYSTEM_OBJECT: Final = Code(ENTITY_TYPE, "2")
OTHER: Final = Code(ENTITY_TYPE, "4")
PATIENT: Final = Code(OBJECT_ROLE, "1")
DOMAIN_RESOURCE: Final = Code(OBJECT_ROLE, "4")
QUERY: Final = Code(OBJECT_ROLE, "24")
REQUEST_ID: Final = Code(BALP_ENTITY_TYPE, "XrequestId")
_URI: Final = "urn:ietf:rfc:3986"
_UNKNOWN: Final = "unknown"
# network-type: what an address is.
_NAME, _IP, _TELEPHONE, _ADDRESS = "1", "2", "3", "5"
# Kinds of principals that are programs: nobody stands behind them at this moment.
_PROGRAMS: Final = frozenset({"client", "device", "system"})
_EMERGENCY: Final = "BTG"


def audit_events(happening: Happening, base: str) -> Iterator[Json]:
    """Yield the AuditEvents of `happening`, without id and meta of the server; `base` is the server's FHIR base URL."""
    if not happening.patients:
        yield audit_event(happening, None, base)
    for patient in sorted(happening.patients):
        yield audit_event(happening, patient, base)


def audit_event(happening: Happening, patient: str | None, base: str) -> Json:
    """Return the AuditEvent about `patient` (an id), None for one that is about nobody."""
    coded = CODED[happening.what]
    event: Json = {"resourceType": "AuditEvent"}
    profile = _profile(happening, coded, patient)
    if profile:
        event["meta"] = {"profile": [profile]}
    event |= {
        "type": _coding(coded.type),
        "subtype": [_coding(one) for one in coded.subtypes],
        "action": coded.action,
        "recorded": happening.at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "outcome": happening.outcome,
    }
    if happening.detail:
        event["outcomeDesc"] = happening.detail
    purpose = happening.purpose or (_EMERGENCY if happening.what == "break-glass" else "")
    if purpose:
        event["purposeOfEvent"] = [{"coding": [_coding(Code(ACT_REASON, purpose))]}]
    event["agent"] = _agents(happening, coded, base)
    event["source"] = {"observer": _server(base)}
    entities = list(_entities(happening, patient))
    if entities:
        event["entity"] = entities
    return event


def _profile(happening: Happening, coded: Coded, patient: str | None) -> str:
    """Return the BALP profile that the event follows; the patterns are about what succeeded, with what they need."""
    if happening.outcome != SUCCESS:
        return ""
    if happening.what == "search":
        return coded.of_patient if patient is not None else coded.profile
    if not happening.objects or (len(happening.objects) > 1 and happening.what != "disclosed"):
        return ""
    return coded.of_patient if patient is not None else coded.profile


def _agents(happening: Happening, coded: Coded, base: str) -> list[Json]:
    actor = happening.actor
    server: Json = {
        "type": _concept(coded.server),
        "who": _server(base),
        "requestor": False,
        # Its address is who it is.
        "network": {"type": _ADDRESS},
    }
    if happening.what == "disclosed":
        return [server, _receiving(happening, coded), *_user(actor, coded)]
    user = _user(actor, coded)
    client: Json = {
        "type": _concept(coded.client),
        "who": _program(actor),
        "requestor": not user,
        "network": _network(actor.address),
    }
    return [client, server, *user]


def _receiving(happening: Happening, coded: Coded) -> Json:
    to = happening.recipient or _UNKNOWN
    who = {"reference": to} if _is_reference(to) else {"display": to}
    return {
        "type": _concept(coded.client),
        "who": who,
        "requestor": False,
        "network": _network(happening.actor.address or to),
    }


def _user(actor: Actor, coded: Coded) -> list[Json]:
    if not actor.kind or actor.kind in _PROGRAMS:
        return []
    who: Json = (
        {"reference": actor.reference}
        if _is_reference(actor.reference)
        else {"identifier": {"value": actor.account or actor.kind}}
    )
    user: Json = {"type": _concept(coded.user), "role": [{"text": actor.kind}], "who": who}
    if actor.account and coded.action != "D":
        user["altId"] = actor.account
    elif actor.account:
        # The pattern of deletions has no other name of a user.
        who["identifier"] = {"value": actor.account}
    user["requestor"] = True
    return [user]


def _program(actor: Actor) -> Json:
    if actor.client:
        return {"identifier": {"value": actor.client}}
    if actor.kind in _PROGRAMS and _is_reference(actor.reference):
        return {"reference": actor.reference}
    return {"display": "a client without a registration"}


def _server(base: str) -> Json:
    return {"identifier": {"system": _URI, "value": base}}


@lru_cache(maxsize=1024)
def _network_type(address: str) -> str:
    if address.startswith("tel:"):
        return _TELEPHONE
    if "://" in address:
        return _ADDRESS
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return _NAME
    return _IP


def _network(address: str) -> Json:
    return {"address": address or _UNKNOWN, "type": _network_type(address)}


def _entities(happening: Happening, patient: str | None) -> Iterator[Json]:
    asks = happening.what == "search"
    for one in happening.objects:
        yield {
            "what": _object(one, patient),
            "type": _coding(OTHER if asks else SYSTEM_OBJECT),
            "role": _coding(DOMAIN_RESOURCE),
        }
    if patient is not None:
        yield {
            "what": {"reference": f"Patient/{patient}"},
            "type": _coding(PERSON),
            "role": _coding(PATIENT),
        }
    if happening.request_id:
        yield {
            "what": {"identifier": {"value": happening.request_id}},
            "type": _coding(REQUEST_ID),
        }
    if happening.query or asks:
        yield {
            "type": _coding(SYSTEM_OBJECT if asks else OTHER),
            "role": _coding(QUERY),
            "query": base64.b64encode(happening.query or b"?").decode(),
        }


def _object(reference: str, patient: str | None) -> Json:
    """Return what names an object. Another patient than the event's is no reference: it would be an event about both."""
    type_, _, rest = reference.partition("/")
    if type_ == "Patient" and rest.partition("/")[0] != patient:
        return {"identifier": {"value": reference}}
    return {"reference": reference}


def _coding(code: Code) -> Json:
    return {"system": code.system, "code": code.code}


def _concept(code: Code) -> Json:
    return {"coding": [_coding(code)]}


def _is_reference(text: str) -> bool:
    return "/" in text and "://" not in text
