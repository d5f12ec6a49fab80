"""A practitioner in the team of every patient: asks for everybody's records, so that each configuration finds the same."""

from typing import Any, Final

import httpx

from conformance.load.rest.clients import UnexpectedError
from conformance.load.rest.http import Target

_NURSE: Final = "access-nurse"


def nurse_of(admin: Target, patients: list[str]) -> str:
    """Return the token of a practitioner who belongs to the team of every one of `patients`."""
    headers = {"authorization": f"Bearer {admin.token}", "content-type": "application/fhir+json"}
    nurse: dict[str, Any] = {"resourceType": "Practitioner", "id": _NURSE}
    teams: list[dict[str, Any]] = [
        {
            "resourceType": "CareTeam",
            "id": f"access-{number}",
            "status": "active",
            "subject": {"reference": f"Patient/{patient}"},
            "participant": [{"member": {"reference": f"Practitioner/{_NURSE}"}}],
        }
        for number, patient in enumerate(patients)
    ]
    entries = [
        {
            "resource": one,
            "request": {"method": "PUT", "url": f"{one['resourceType']}/{one['id']}"},
        }
        for one in (nurse, *teams)
    ]
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    asked = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "kind", "valueCode": "practitioner"},
            {"name": "reference", "valueString": f"Practitioner/{_NURSE}"},
        ],
    }
    with httpx.Client(headers=headers, timeout=120, trust_env=False) as client:
        for url, body in ((admin.base, bundle), (f"{admin.base}/$issue-token", asked)):
            answer = client.post(url, json=body)
            if answer.status_code != 200:
                raise UnexpectedError(f"POST {url} answered {answer.status_code}")
    return next(
        str(one["valueString"]) for one in answer.json()["parameter"] if one["name"] == "token"
    )
