"""The FHIR resources a home needs before its devices may speak. Pure.

Everything carries HTEST (http://terminology.hl7.org/CodeSystem/v3-ActReason), because nobody here
exists.
"""

from typing import Any, Final

from simulator import codes
from simulator.devices.identity import Identity

Json = dict[str, Any]

EUI64: Final = "urn:oid:1.2.840.10004.1.1.1.0.0.1.0.0.1.2680"
# Long ago and fixed, so that a second run finds what it would write.
BOUND_SINCE: Final = "2020-01-01T00:00:00Z"

_TYPES: Final = {
    "hemodialysis-machine": (codes.MACHINE_TYPE, "MDC_DEV_HDIALY_MACHINE_MDS"),
    "bp-cuff": (codes.CUFF_TYPE, "MDC_DEV_SPEC_PROFILE_BP"),
    "gateway": (codes.GATEWAY_TYPE, "MDC_MOC_VMS_MDS_AHD"),
}


def test_data() -> Json:
    """Return the `meta` of data about nobody."""
    system = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
    return {"security": [{"system": system, "code": "HTEST"}]}


def patient(
    identity: str, given: str, family: str, gender: str, birth_date: str, language: str, phone: str
) -> Json:
    """Return a Patient."""
    return {
        "resourceType": "Patient",
        "id": identity,
        "meta": test_data(),
        "active": True,
        "name": [{"use": "official", "family": family, "given": [given]}],
        "telecom": [{"system": "phone", "value": phone, "use": "home"}],
        "gender": gender,
        "birthDate": birth_date,
        "communication": [{"language": spoken(language), "preferred": True}],
    }


def spoken(language: str) -> Json:
    """Return a language (BCP 47) as CodeableConcept."""
    return {"coding": [{"system": "urn:ietf:bcp:47", "code": language}]}


def device(identity: str, hardware: Identity) -> Json:
    """Return the Device of `hardware`; it names no patient."""
    code, refid = _TYPES[hardware.kind]
    return {
        "resourceType": "Device",
        "id": identity,
        "meta": test_data(),
        "identifier": [{"system": EUI64, "value": hardware.dashed}],
        "status": "active",
        "manufacturer": hardware.manufacturer,
        "serialNumber": hardware.serial,
        "modelNumber": hardware.model,
        "type": {"coding": [{"system": codes.MDC, "code": code, "display": refid}]},
    }


def in_use(identity: str, patient_id: str, device_id: str) -> Json:
    """Return the DeviceUseStatement that binds a device to a patient."""
    return {
        "resourceType": "DeviceUseStatement",
        "id": identity,
        "meta": test_data(),
        "status": "active",
        "subject": {"reference": f"Patient/{patient_id}"},
        "timingPeriod": {"start": BOUND_SINCE},
        "device": {"reference": f"Device/{device_id}"},
    }
