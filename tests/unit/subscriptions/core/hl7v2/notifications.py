"""Notifications about a patient on a machine, as the server makes them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from adapters import containment
from adapters import observation as observations
from adapters.metrics import METRICS
from fhirserver.kernel.canonical import (
    DEVICE_EUI64,
    MDC,
    THERAPY_IDENTIFIER,
    TOPIC_PATIENT_OBSERVATION,
)
from fhirserver.kernel.resource import Json
from subscriptions.core.notification import Focus, NumberedEvent, StatusHeader, notification

NOW = datetime(2026, 8, 1, 9, 30, 6, 250_000, UTC)
AT = "2026-08-01T09:30:05.125Z"
BASE = "https://fhir.example.org/fhir"
EUI = "0A1B2CFFFE3D4E5F"
THERAPY = f"{EUI}20260801090000"

ANN: Json = {
    "resourceType": "Patient",
    "id": "ann",
    "identifier": [
        {
            "system": "urn:oid:1.2.3.4",
            "value": "MRN-7",
            "type": {
                "coding": [
                    {"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MR"}
                ]
            },
        },
        {
            "system": "https://w3id.org/fhirserver/NamingSystem/hl7v2/CLINIC",
            "value": "a|b^c&d~e\\f",
        },
        {"use": "old", "system": "urn:oid:9.9", "value": "gone"},
    ],
    "name": [
        {"use": "official", "family": "Doe", "given": ["Ann", "Bea", "Cid"], "prefix": ["Dr"]}
    ],
    "gender": "female",
    "birthDate": "1961-07",
}
MACHINE: Json = {
    "resourceType": "Device",
    "id": "m1",
    "identifier": [{"system": DEVICE_EUI64, "value": "0A-1B-2C-FF-FE-3D-4E-5F"}],
    "type": {"coding": [{"system": MDC, "code": "70929"}]},
    "modelNumber": "SIM100",
    "serialNumber": "00042",
}
TREATMENT: Json = {
    "resourceType": "Procedure",
    "id": "t1",
    "status": "in-progress",
    "subject": {"reference": "Patient/ann"},
    "identifier": [{"system": THERAPY_IDENTIFIER, "value": THERAPY}],
}
BIRTH: dict[str, Any] = {
    "metrics": {
        "158776": {"unit": "mm[Hg]", "limits": {"low": Decimal(122), "high": Decimal(262)}},
        "158744": {"unit": "mm[Hg]", "limits": {"low": Decimal(-250), "high": Decimal(-20)}},
        "158740": {"unit": "mL/min"},
        "16935956": {"unit": "mL/min"},
        "159036": {"unit": "mL/h", "limits": {"high": Decimal(1000)}},
    }
}
CONTEXT: list[Json] = [ANN, MACHINE, TREATMENT, *containment.resources("m1", BIRTH)]


def measured(code: str, value: Decimal | None, id_: str, *, at: str = AT, **more: Any) -> Json:
    """Return what the machine measured as it is stored; None: it could not be measured."""
    metric = METRICS[code]
    if value is None:
        made = observations.absent(metric, "m1", "ann", "error", simulated=False)
    else:
        made = observations.measure(metric, "m1", "ann", simulated=False)
        made["valueQuantity"]["value"] = value
    made |= {"id": id_, "effectiveDateTime": at, "partOf": [{"reference": "Procedure/t1"}]}
    return made | more


def bundle(
    resources: Sequence[Json],
    *,
    topic: str = TOPIC_PATIENT_OBSERVATION,
    context: Sequence[Json] = CONTEXT,
    first: int = 7,
    action: Any = "create",
) -> Json:
    """Return the notification of events about `resources`."""
    events = [
        NumberedEvent(
            number, NOW, Focus(action, one["resourceType"], one["id"], one), tuple(context)
        )
        for number, one in enumerate(resources, first)
    ]
    header = StatusHeader(BASE, "s1", topic, "active", first + len(events) - 1)
    return notification(
        header, "event-notification", "full-resource", events, at=NOW, entry_id=UUID(int=1)
    )
