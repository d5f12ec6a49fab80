"""The synthetic patient: somebody who is not there, whose alarm goes the whole way again and again. Pure.

A message of a device goes into the broker, becomes a reading, breaks a limit, raises an alert, calls a
person, and ends in a sink instead of a telephone. All of it lives in a tenant of its own, to which no
token opens and no roster, export or figure of a real one reaches, and is marked as test data (HTEST).
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from fhirserver.kernel.canonical import ACT_REASON, DEVICE_EUI64, ESCALATION_TIER
from fhirserver.kernel.instant import instant
from fhirserver.kernel.resource import Json
from subscriptions.core.managed_subscription import managed, subscription_id

TENANT: Final = "synthetic-patient"
PATIENT: Final = "synthetic-patient"
MEMBER: Final = "RelatedPerson/synthetic-partner"
DEVICE: Final = "synthetic-cuff"
# From the range for documentation and private use, as the number below is one for fiction.
ADDRESS: Final = "020000FFFE000001"
_PHONE: Final = "+12025550100"

SYSTOLIC: Final = "150021"
DIASTOLIC: Final = "150022"
# Far below the floor of every default set: PH on the first reading. And one in perfect order.
ALARMING: Final[Mapping[str, int]] = {SYSTOLIC: 62, DIASTOLIC: 41}
HARMLESS: Final[Mapping[str, int]] = {SYSTOLIC: 124, DIASTOLIC: 78}

# Types of resources each run leaves behind, and how long they are kept.
LEFT_BEHIND: Final = ("Observation", "Communication", "Task", "Flag")
KEPT_FOR: Final = timedelta(days=1)

_TEST_DATA: Final[Json] = {"security": [{"system": ACT_REASON, "code": "HTEST"}]}


def resources() -> Sequence[tuple[str, Json]]:
    """Return (id, resource) of the synthetic patient and their surroundings, in the order of writing."""
    _, _, member = MEMBER.partition("/")
    patient = {"reference": f"Patient/{PATIENT}"}
    return (
        (PATIENT, _marked({"resourceType": "Patient", "active": True, "birthDate": "1970-01-01"})),
        (
            member,
            _marked(
                {
                    "resourceType": "RelatedPerson",
                    "patient": patient,
                    "telecom": [{"system": "sms", "value": _PHONE}],
                }
            ),
        ),
        (
            DEVICE,
            _marked(
                {
                    "resourceType": "Device",
                    "identifier": [{"system": DEVICE_EUI64, "value": _dashed(ADDRESS)}],
                }
            ),
        ),
        (
            "synthetic-use",
            _marked(
                {
                    "resourceType": "DeviceUseStatement",
                    "status": "active",
                    "subject": patient,
                    "device": {"reference": f"Device/{DEVICE}"},
                    "timingPeriod": {"start": "2026-01-01"},
                }
            ),
        ),
        (
            "synthetic-team",
            _marked(
                {
                    "resourceType": "CareTeam",
                    "status": "active",
                    "subject": patient,
                    "participant": [
                        {
                            "extension": [{"url": ESCALATION_TIER, "valuePositiveInt": 1}],
                            "member": {"reference": MEMBER},
                        }
                    ],
                }
            ),
        ),
        # Its number needs no proof: nothing is ever sent to it.
        (subscription_id(MEMBER), managed(MEMBER, _PHONE, "active")),
    )


def telemetry(
    values: Mapping[str, int], boot: str, number: int, mono_ms: int, now: datetime
) -> bytes:
    """Return the device's message with these values, its `number` since `boot`."""
    body: dict[str, Any] = {
        "schema": "hd.tel/1",
        "dev": ADDRESS,
        "boot": boot,
        "seq": number,
        "dev_time": instant(now),
        "mono_ms": mono_ms,
        "test": True,
        "s": [{"t": 0, "v": dict(values)}],
    }
    return json.dumps(body, separators=(",", ":")).encode()


def slot_of(now: datetime, every: timedelta) -> int:
    """Return the number of the run that belongs to `now`: all processes agree on it, one of them runs it."""
    return int(now.timestamp() // every.total_seconds())


def _marked(resource: Json) -> Json:
    return {**resource, "meta": _TEST_DATA}


def _dashed(address: str) -> str:
    return "-".join(address[i : i + 2] for i in range(0, len(address), 2))
