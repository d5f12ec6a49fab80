"""The people, programs and resources of the access matrix: who they are, what they hold, what stands in the record."""

from collections.abc import Iterator
from datetime import UTC, datetime

from fhirserver.auth.consent import provisions_of
from fhirserver.kernel.principal import (
    Basis,
    Grant,
    Membership,
    Principal,
    PrincipalKind,
    Relations,
)
from fhirserver.kernel.resource import Json
from tests.integration.rest.conftest import care_team, observation, patient
from tests.oracles.access_oracle import Cell, Who

PATIENTS = ("ann", "joe", "cora")
KINDS: dict[str, PrincipalKind] = {
    "nurse": "practitioner",
    "office": "clinic-admin",
    "partner": "related-person",
    "admin": "admin",
    "client": "client",
    "device": "device",
    "patient": "patient",
    "technician": "technician",
}
_OVER = datetime(2020, 1, 1, tzinfo=UTC)
# What a bond is, as a fact: basis and role.
_FACTS: dict[str, tuple[Basis, str | None]] = {
    "team": ("care-team", None),
    "team viewer": ("care-team", "viewer"),
    "team technician": ("care-team", "technician"),
    "team contact": ("care-team", "alarm-contact"),
    "over": ("care-team", None),
    "over emergency": ("break-glass", None),
    "emergency": ("break-glass", None),
    "roster": ("roster", None),
    "guardian": ("guardian", None),
    "peer": ("peer", None),
}


def _looks(verb: str) -> bool:
    return verb in ("read", "search")


def _anns(cell: Cell) -> bool:
    return cell.of <= {"ann"} and (bool(cell.of) or cell.kind != "record")


# Scopes as a client asks for them, and what they mean.
SCOPES: dict[str, tuple[str, str | None]] = {
    "program reads": ("system/*.rs", None),
    "program writes": ("system/*.cruds", None),
    "vital program": ("system/Observation.rs?category=vital-signs system/Patient.rs", None),
    "program as a user": ("user/*.cruds", None),
    "app of ann": ("patient/*.rs", "ann"),
    "app of the old kind": ("patient/*.read", "ann"),
    "app of joe": ("patient/*.cruds", "joe"),
    "vital app": ("user/Observation.rs?category=vital-signs user/Patient.rs", None),
    "own vital app": ("patient/Observation.rs?category=vital-signs patient/Patient.r", "ann"),
    "admin's app": ("user/*.cruds", None),
    "admin's app of ann": ("patient/*.rs", "ann"),
    "reader without search": ("user/*.r", None),
    "writer without reading": ("user/*.write", None),
    "mixed app": (
        "patient/Observation.rs user/Observation.rs?category=vital-signs user/Patient.rs",
        "ann",
    ),
    "app with nothing": ("openid launch", "ann"),
}

NURSE = ("nurse", "Practitioner/nina", {"ann": "team", "cora": "team"})
CAST: tuple[Who, ...] = (
    Who("admin", "admin"),
    Who("nurse", *NURSE),
    Who("viewer", "nurse", "Practitioner/vera", {"ann": "team viewer"}),
    Who("stranger", "nurse", "Practitioner/omar"),
    Who("rescuer", "nurse", "Practitioner/omar", {"joe": "emergency", "cora": "emergency"}),
    Who("former", "nurse", "Practitioner/omar", {"ann": "over", "joe": "over emergency"}),
    Who("technician", "technician", "Practitioner/theo", {"ann": "team"}),
    Who(
        "nurse for machines",
        "nurse",
        "Practitioner/ted",
        {"ann": "team technician", "cora": "team"},
    ),
    Who("office", "office", "PractitionerRole/office", {"ann": "roster"}),
    Who("partner", "partner", "RelatedPerson/bob", {"ann": "team", "cora": "team"}),
    Who("contact", "partner", "RelatedPerson/carl", {"ann": "team contact"}),
    Who("guardian", "partner", "RelatedPerson/gus", {"ann": "guardian"}),
    Who("patient", "patient", "Patient/ann", {"ann": "self", "joe": "peer"}),
    Who("device", "device", "Device/clinic"),
    Who("program reads", "client", "ehr", scope=lambda _, verb: _looks(verb)),
    Who("program writes", "client", "ehr", scope=lambda _cell, _verb: True),
    Who(
        "vital program",
        "client",
        "ehr",
        scope=lambda cell, verb: _looks(verb) and (cell.vital or cell.type == "Patient"),
    ),
    Who("program as a user", "client", "ehr", scope=lambda _cell, _verb: False),
    Who("app of ann", *NURSE, scope=lambda cell, verb: _looks(verb) and _anns(cell)),
    Who("app of the old kind", *NURSE, scope=lambda cell, verb: _looks(verb) and _anns(cell)),
    Who(
        "app of joe",
        *NURSE,
        scope=lambda cell, _: cell.of <= {"joe"} and (bool(cell.of) or cell.kind != "record"),
    ),
    Who(
        "vital app",
        *NURSE,
        scope=lambda cell, verb: _looks(verb) and (cell.vital or cell.type == "Patient"),
    ),
    Who(
        "own vital app",
        "patient",
        "Patient/ann",
        {"ann": "self", "joe": "peer"},
        lambda cell, verb: (
            _anns(cell)
            and ((_looks(verb) and cell.vital) or (verb == "read" and cell.type == "Patient"))
        ),
    ),
    Who("admin's app", "admin", scope=lambda _cell, _verb: True),
    Who("admin's app of ann", "admin", scope=lambda cell, verb: _looks(verb) and _anns(cell)),
    Who("reader without search", *NURSE, scope=lambda _, verb: verb == "read"),
    Who("writer without reading", *NURSE, scope=lambda _, verb: not _looks(verb)),
    Who(
        "mixed app",
        *NURSE,
        scope=lambda cell, verb: (
            _looks(verb)
            and (
                cell.type == "Patient"
                or cell.vital
                or (cell.type == "Observation" and cell.of == {"ann"})
            )
        ),
    ),
    Who("app with nothing", *NURSE, scope=lambda _cell, _verb: False),
)


def grant_of(who: Who, tenant: int) -> Grant:
    """What `who` holds a token for."""
    principal = Principal(tenant, KINDS[who.kind], who.reference)
    if who.name not in SCOPES:
        return Grant(principal)
    text, launch = SCOPES[who.name]
    return Grant(principal, tuple(text.split()), launch)


def relations_of(who: Who) -> Relations:
    """What is known of `who`: their bonds, somebody else's, and every Consent."""
    own = [
        Membership(
            one, who.reference, role, None, _OVER if bond.startswith("over") else None, basis
        )
        for one, bond in who.bonds.items()
        if bond != "self"
        for basis, role in (_FACTS[bond],)
    ]
    strangers = [Membership("joe", "Practitioner/else", None, None, None)]
    return Relations((*own, *strangers), tuple(provisions_of(CONSENT)))


def _ref(of: str) -> Json:
    return {"reference": f"Patient/{of}"}


CONSENT: Json = {
    "resourceType": "Consent",
    "id": "consent-cora",
    "status": "active",
    "scope": {"coding": [{"code": "patient-privacy"}]},
    "category": [{"text": "privacy"}],
    "policyRule": {"text": "as provided"},
    "patient": _ref("cora"),
    "provision": {
        "type": "permit",
        "provision": [
            {
                "type": "deny",
                "actor": [
                    {"role": {"text": "partner"}, "reference": {"reference": "RelatedPerson/bob"}}
                ],
                "action": [{"coding": [{"code": "access"}]}],
                "class": [{"system": "http://hl7.org/fhir/resource-types", "code": "Observation"}],
            },
            {
                "type": "deny",
                "action": [{"coding": [{"code": "access"}]}],
                "class": [{"system": "http://hl7.org/fhir/resource-types", "code": "Condition"}],
            },
        ],
    },
}


def _flag(id_: str, of: str, code: str) -> Json:
    return {
        "resourceType": "Flag",
        "id": id_,
        "status": "active",
        "code": {"coding": [{"system": "urn:codes", "code": code}]},
        "subject": _ref(of),
    }


def _category(code: str) -> Json:
    system = "http://terminology.hl7.org/CodeSystem/observation-category"
    return {"category": [{"coding": [{"system": system, "code": code}]}]}


def _of_patient(of: str, place: int) -> Iterator[Json]:
    yield patient(of)
    yield observation(f"vital-{of}", of, **_category("vital-signs"))
    yield observation(f"lab-{of}", of, **_category("laboratory"))
    yield _flag(f"machine-{of}", of, "device-silent")
    yield _flag(f"body-{of}", of, "low-pressure")
    yield {"resourceType": "Condition", "id": f"kidney-{of}", "subject": _ref(of)}
    yield care_team(of, "Practitioner/nina")
    yield {
        "resourceType": "Task",
        "id": f"task-{of}",
        "status": "requested",
        "intent": "order",
        "for": _ref(of),
    }
    yield {
        "resourceType": "Communication",
        "id": f"words-{of}",
        "status": "completed",
        "subject": _ref(of),
    }
    yield {
        "resourceType": "DeviceUseStatement",
        "id": f"use-{of}",
        "status": "active",
        "subject": _ref(of),
        # One after the other: nobody binds a machine that a stranger uses.
        "timingPeriod": {"start": f"202{place}-01-01", "end": f"202{place}-12-31"},
        "device": {"reference": "Device/clinic"},
    }
    yield {"resourceType": "Device", "id": f"machine-{of}", "patient": _ref(of)}
    yield {"resourceType": "RelatedPerson", "id": f"kin-{of}", "patient": _ref(of)}
    yield {
        "resourceType": "Provenance",
        "id": f"origin-{of}",
        "target": [_ref(of), {"reference": f"Observation/vital-{of}"}],
        "recorded": "2026-03-04T05:06:07Z",
        "agent": [{"who": {"reference": "Practitioner/nina"}}],
    }


RESOURCES: tuple[Json, ...] = (
    {"resourceType": "Practitioner", "id": "nina"},
    {"resourceType": "Organization", "id": "ward", "name": "Ward"},
    {"resourceType": "Medication", "id": "epo"},
    {"resourceType": "Device", "id": "clinic"},
    {
        "resourceType": "DeviceMetric",
        "id": "pressure",
        "type": {"text": "p"},
        "category": "measurement",
    },
    {"resourceType": "Schedule", "id": "beds", "actor": [{"reference": "Device/clinic"}]},
    {
        "resourceType": "Group",
        "id": "cohort",
        "type": "person",
        "actual": True,
        "member": [{"entity": _ref("ann")}],
    },
    {
        "resourceType": "Endpoint",
        "id": "hook",
        "status": "active",
        "connectionType": {"code": "hl7-fhir-rest"},
        "payloadType": [{"text": "any"}],
        "address": "https://example.org",
    },
    *(one for place, of in enumerate(PATIENTS) for one in _of_patient(of, place)),
    observation("lost", None, **_category("vital-signs")),
    CONSENT,
    {
        "resourceType": "Appointment",
        "id": "both",
        "status": "proposed",
        "participant": [{"actor": _ref(of), "status": "accepted"} for of in ("ann", "cora")],
    },
)
_OPEN = {"Practitioner", "Organization", "Medication"}
_STAFF = {"Device", "DeviceMetric", "Schedule", "Group"}


def cell_of(resource: Json) -> Cell:
    """The resource as a person describes it."""
    type_, id_ = resource["resourceType"], resource["id"]
    kind = "open" if type_ in _OPEN else "staff" if type_ in _STAFF else "record"
    of = {one for one in PATIENTS if id_ == one or id_.endswith(f"-{one}")}
    if id_ == "both":
        of = {"ann", "cora"}
    return Cell(
        type_,
        id_,
        "closed" if type_ == "Endpoint" else kind,
        frozenset(of),
        technical=type_ == "Flag" and id_.startswith("machine"),
        vital=type_ == "Observation" and (id_.startswith("vital") or id_ == "lost"),
    )


CELLS: tuple[Cell, ...] = tuple(cell_of(one) for one in RESOURCES)
