"""What each kind of happening is called in an AuditEvent: one reviewed row for each.

REST interactions follow the Basic Audit Log Patterns, disclosures its "Privacy Disclosure at Source", tokens the audit
of ITI-71; logins and changes of rights have the codes DICOM gives them. Whatever has no published code of its own has
one of ours beside the nearest published type.

Spec: https://profiles.ihe.net/ITI/BALP/, https://hl7.org/fhir/R4/valueset-audit-event-type.html,
https://dicom.nema.org/medical/dicom/current/output/chtml/part16/sect_CID_400.html
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, get_args

from fhirserver.kernel.audit import What
from fhirserver.kernel.canonical import BASE

REST: Final = "http://terminology.hl7.org/CodeSystem/audit-event-type"
INTERACTION: Final = "http://hl7.org/fhir/restful-interaction"
DCM: Final = "http://dicom.nema.org/resources/ontology/DCM"
LIFECYCLE: Final = "http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle"
IHE_EVENT: Final = "urn:ihe:event-type-code"
PARTICIPATION: Final = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
CUSTODIAN: Final = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"
ENTITY_TYPE: Final = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
OBJECT_ROLE: Final = "http://terminology.hl7.org/CodeSystem/object-role"
BALP_ENTITY_TYPE: Final = "https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType"
BALP: Final = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/"
OWN: Final = BASE + "CodeSystem/audit-event"


class Code(NamedTuple):
    """A code and its system."""

    system: str
    code: str


SOURCE_ROLE: Final = Code(DCM, "110153")
DESTINATION_ROLE: Final = Code(DCM, "110152")
APPLICATION: Final = Code(DCM, "110150")
SERVER_AS_CUSTODIAN: Final = Code(CUSTODIAN, "custodian")
TOKEN_SERVICE: Final = Code(
    "https://profiles.ihe.net/ITI/BALP/CodeSystem/UserAgentTypes", "AuthzOauthService"
)
RECIPIENT: Final = Code(PARTICIPATION, "IRCP")
AUTHOR: Final = Code(PARTICIPATION, "AUT")

Action = Literal["C", "R", "U", "D", "E"]


@dataclass(frozen=True, slots=True)
class Coded:
    """How one kind of happening is written down.

    `client`, `server` and `user` are the types of the agents. `profile` is the BALP profile that a success follows, and
    `of_patient` the one it follows where it is about a patient.
    """

    type: Code
    subtypes: tuple[Code, ...]
    action: Action
    client: Code = SOURCE_ROLE
    server: Code = DESTINATION_ROLE
    user: Code = RECIPIENT
    profile: str = ""
    of_patient: str = ""


_RESTFUL: Final = Code(REST, "rest")
_AUTHENTICATION: Final = Code(DCM, "110114")
_ALERT: Final = Code(DCM, "110113")
_ATTRIBUTES: Final = Code(DCM, "110137")
_ROLES: Final = Code(DCM, "110136")


def _own(what: What) -> Code:
    return Code(OWN, what)


def _interaction(code: str) -> tuple[Code, ...]:
    return (Code(INTERACTION, code),)


def _reading(code: str, profile: str = "", of_patient: str = "") -> Coded:
    return Coded(
        _RESTFUL,
        _interaction(code),
        "R",
        client=DESTINATION_ROLE,
        server=SOURCE_ROLE,
        profile=profile,
        of_patient=of_patient,
    )


def _writing(code: str, action: Action, profile: str) -> Coded:
    return Coded(
        _RESTFUL,
        _interaction(code),
        action,
        user=AUTHOR,
        profile=f"{BALP}IHE.BasicAudit.{profile}",
        of_patient=f"{BALP}IHE.BasicAudit.Patient{profile}",
    )


def _security(type_: Code, what: What, *published: Code, action: Action = "E") -> Coded:
    return Coded(type_, (*published, _own(what)), action, client=APPLICATION)


_READ: Final = (f"{BALP}IHE.BasicAudit.Read", f"{BALP}IHE.BasicAudit.PatientRead")

CODED: Final[Mapping[What, Coded]] = {
    "create": _writing("create", "C", "Create"),
    "read": _reading("read", *_READ),
    "vread": _reading("vread", *_READ),
    "update": _writing("update", "U", "Update"),
    "patch": _writing("patch", "U", "Update"),
    "delete": Coded(
        _RESTFUL,
        _interaction("delete"),
        "D",
        client=APPLICATION,
        server=SERVER_AS_CUSTODIAN,
        user=AUTHOR,
        profile=f"{BALP}IHE.BasicAudit.Delete",
        of_patient=f"{BALP}IHE.BasicAudit.PatientDelete",
    ),
    "history": _reading("history"),
    "search": Coded(
        _RESTFUL,
        _interaction("search"),
        "E",
        profile=f"{BALP}IHE.BasicAudit.Query",
        of_patient=f"{BALP}IHE.BasicAudit.PatientQuery",
    ),
    "operation": Coded(_RESTFUL, _interaction("operation"), "E"),
    "batch": Coded(_RESTFUL, _interaction("batch"), "E"),
    "unauthenticated": _security(_AUTHENTICATION, "unauthenticated"),
    "login": _security(_AUTHENTICATION, "login", Code(DCM, "110122")),
    "login-refused": _security(_AUTHENTICATION, "login-refused", Code(DCM, "110122")),
    "logout": _security(_AUTHENTICATION, "logout", Code(DCM, "110123")),
    "locked": _security(_ALERT, "locked", _ATTRIBUTES),
    "account-changed": _security(_ALERT, "account-changed", _ATTRIBUTES, action="U"),
    "factor-changed": _security(_ALERT, "factor-changed", _ATTRIBUTES, action="U"),
    "role-changed": _security(_ALERT, "role-changed", _ROLES, action="U"),
    "launch": _security(_AUTHENTICATION, "launch"),
    "authorized": _security(_AUTHENTICATION, "authorized"),
    "authorization-refused": _security(_AUTHENTICATION, "authorization-refused"),
    "token-issued": Coded(
        _AUTHENTICATION,
        (Code(IHE_EVENT, "ITI-71"), _own("token-issued")),
        "E",
        client=APPLICATION,
        server=TOKEN_SERVICE,
    ),
    "token-refused": Coded(
        _AUTHENTICATION,
        (Code(IHE_EVENT, "ITI-71"), _own("token-refused")),
        "E",
        client=APPLICATION,
        server=TOKEN_SERVICE,
    ),
    "token-revoked": _security(_AUTHENTICATION, "token-revoked"),
    "client-changed": _security(_ALERT, "client-changed", action="U"),
    "key-rotated": _security(_ALERT, "key-rotated", action="U"),
    "patient-shredded": _security(
        _ALERT, "patient-shredded", Code(LIFECYCLE, "destroy"), action="D"
    ),
    "break-glass": _security(_ALERT, "break-glass", Code(DCM, "110127")),
    "invited": _security(_ALERT, "invited", _ROLES, action="C"),
    "invitation-accepted": _security(_ALERT, "invitation-accepted", _ROLES),
    "access-changed": _security(_ALERT, "access-changed", _ROLES, action="U"),
    "expired": _security(Code(LIFECYCLE, "destroy"), "expired", action="D"),
    "ingest": Coded(Code(DCM, "110107"), (_own("ingest"),), "C", user=AUTHOR),
    "message-shown": Coded(
        Code(LIFECYCLE, "access"),
        (_own("message-shown"),),
        "R",
        client=DESTINATION_ROLE,
        server=SOURCE_ROLE,
    ),
    "disclosed": Coded(
        Code(DCM, "110106"),
        (Code(LIFECYCLE, "disclose"), _own("disclosed")),
        "R",
        client=DESTINATION_ROLE,
        server=SOURCE_ROLE,
        of_patient=f"{BALP}IHE.BasicAudit.PrivacyDisclosure.Source",
    ),
}

assert CODED.keys() == set(get_args(What))
