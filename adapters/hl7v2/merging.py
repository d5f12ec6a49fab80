"""Two records of one patient: which one goes on, and what both say of it. Pure.

ADT^A40 names the record that goes on (PID-3) and those that end in it (MRG-1). The ended record becomes inactive and
says who replaces it; the other says whom it replaces. Nothing that refers to the ended record is changed: its alarms,
its device and its care team stay together, and whoever was called goes on being called.

https://hl7.org/fhir/R4/patient-definitions.html#Patient.link
"""

from collections.abc import Iterable
from typing import Final
from urllib.parse import unquote

from fhirserver.kernel.resource import Json

_REPLACED_BY: Final = "replaced-by"
_REPLACES: Final = "replaces"


def heir_of(patient: Json) -> str | None:
    """Return the id of the Patient that replaces `patient`, None where none does."""
    for link in patient.get("link", ()):
        reference = str(link.get("other", {}).get("reference", ""))
        if link.get("type") == _REPLACED_BY and reference.startswith("Patient/"):
            return reference.partition("/")[2]
    return None


def ended(patient: Json, survivor: str) -> Json:
    """Return `patient` as a record that ends in ``Patient/<survivor>``."""
    return {**_linked(patient, _REPLACED_BY, survivor), "active": False}


def going_on(patient: Json, retired: Iterable[str]) -> Json:
    """Return `patient` as the record that goes on for ``Patient/<retired>``, each."""
    for one in retired:
        patient = _linked(patient, _REPLACES, one)
    return patient


def with_former(patient: Json, searches: Iterable[str]) -> Json:
    """Return `patient` with identifiers nobody is known by, as former ones, so that they find this record."""
    known = [*patient.get("identifier", [])]
    names = {(one.get("system"), one.get("value")) for one in known}
    for search in searches:
        system, value = identifier_of(search)
        if (system, value) not in names:
            known.append({"use": "old", "system": system, "value": value})
    return {**patient, "identifier": known}


def identifier_of(search: str) -> tuple[str, str]:
    r"""Return system and value of a search by identifier (``identifier=system%7Cvalue``)."""
    text = unquote(search.partition("=")[2])
    system, _, value = text.partition("|")
    plain, escaping = [], False
    for letter in value:
        if letter == "\\" and not escaping:
            escaping = True
            continue
        plain.append(letter)
        escaping = False
    return system, "".join(plain)


def _linked(patient: Json, kind: str, other: str) -> Json:
    link = {"other": {"reference": f"Patient/{other}"}, "type": kind}
    links = [*patient.get("link", [])]
    return patient if link in links else {**patient, "link": [*links, link]}
