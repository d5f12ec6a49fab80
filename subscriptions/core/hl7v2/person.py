"""PID: who a message is about.

Messages of devices say who it is and no more (PID-3, 5, 7, 8); ADT says all that PID can carry of a Patient.
https://build.fhir.org/ig/HL7/v2-to-fhir/ConceptMap-segment-pid-to-patient.html, read the other way round.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from fhirserver.kernel.canonical import BASE
from fhirserver.kernel.resource import Json
from fhirserver.wire.hl7v2.building import (
    Components,
    Subcomponents,
    Value,
    components,
    repeated,
    segment,
    subcomponents,
)
from subscriptions.core.hl7v2.moments import dtm

LOCAL_NAMES: Final = BASE + "NamingSystem/hl7v2/"
"""Systems of assigning authorities that are only known by a name of HL7 v2."""
OWN_ID: Final = BASE + "NamingSystem/resource-id"
_TYPES: Final = "http://terminology.hl7.org/CodeSystem/v2-0203"
_MARITAL: Final = "http://terminology.hl7.org/CodeSystem/v3-MaritalStatus"
# HL7 tables 0001, 0200, 0190, 0201 and 0202, by the code of FHIR.
_SEX: Final = {"male": "M", "female": "F", "other": "O", "unknown": "U"}
_NAME_USE: Final = {
    "official": "L",
    "usual": "D",
    "maiden": "M",
    "nickname": "N",
    "anonymous": "S",
    "temp": "T",
    "old": "BAD",
}
_ADDRESS_USE: Final = {"home": "H", "work": "O", "temp": "C", "billing": "BI", "old": "BA"}
_PHONE_USE: Final = {"home": "PRN", "work": "WPN", "mobile": "PRS", "temp": "ORN"}
_EQUIPMENT: Final = {"phone": "PH", "fax": "FX", "pager": "BP", "sms": "CP"}


def pid(patient: Json, *, machine: str | None = None, whole: bool = False) -> str:
    """Return the PID of `patient`. `machine`: model and serial number of what measures, which stand in PID-3 as well.

    `whole`: with everything known that PID carries.
    """
    identifiers = list(_identifiers(patient))
    if machine is not None:
        identifiers.append(components(machine, None, None, None, "U"))
    fields: dict[int, Value] = {
        3: repeated(*identifiers),
        5: repeated(*(xpn(one) for one in _current(patient.get("name")))),
        7: dtm(patient.get("birthDate")),
        8: _SEX.get(patient.get("gender", "")),
    }
    if whole:
        fields |= _more(patient)
    return segment("PID", fields)


def merged(patient: Json) -> dict[int, Value]:
    """Return the fields of the MRG of `patient`, whose record ends in another."""
    return {
        1: repeated(*_identifiers(patient)),
        7: repeated(*(xpn(one) for one in _current(patient.get("name")))),
    }


def cx(identifier: Json) -> Components:
    """Return an identifier with its authority and type."""
    return components(
        identifier.get("value"), None, None, authority(identifier.get("system")), _type(identifier)
    )


def authority(system: str | None) -> Subcomponents | None:
    """Return who assigned a number: the name of HL7 v2 it is known by here, else its OID, UUID or URI."""
    if not system:
        return None
    if system.startswith(LOCAL_NAMES):
        return subcomponents(system.removeprefix(LOCAL_NAMES))
    for prefix, kind in (("urn:oid:", "ISO"), ("urn:uuid:", "UUID")):
        if system.startswith(prefix):
            return subcomponents(None, system.removeprefix(prefix), kind)
    return subcomponents(None, system, "URI")


def xpn(name: Json) -> Components:
    """Return a name of a person; one without parts is its text, as the family name."""
    given = _texts(name.get("given"))
    family = name.get("family") or (None if given else name.get("text"))
    return components(
        family,
        given[0] if given else None,
        " ".join(given[1:]) or None,
        " ".join(_texts(name.get("suffix"))) or None,
        " ".join(_texts(name.get("prefix"))) or None,
        None,
        _NAME_USE.get(name.get("use", "")),
    )


def _identifiers(patient: Json) -> Iterator[Components]:
    known = [one for one in _current(patient.get("identifier")) if one.get("value")]
    yield from (cx(one) for one in known)
    if not known:
        yield components(patient.get("id"), None, None, authority(OWN_ID), "PI")


def _type(identifier: Json) -> str | None:
    codings = identifier.get("type", {}).get("coding", ())
    return next((one.get("code") for one in codings if one.get("system") == _TYPES), None)


def _more(patient: Json) -> dict[int, Value]:
    phones = list(_current(patient.get("telecom")))
    language = next(iter(_preferred(patient.get("communication", ()))), None)
    return {
        11: repeated(*(_xad(one) for one in _current(patient.get("address")))),
        13: repeated(*(_xtn(one) for one in phones if one.get("use") != "work")),
        14: repeated(*(_xtn(one) for one in phones if one.get("use") == "work")),
        15: None if language is None else _cwe(language.get("language", {})),
        16: _marital(patient.get("maritalStatus", {})),
        29: dtm(patient.get("deceasedDateTime")),
        30: _deceased(patient),
    }


def _deceased(patient: Json) -> str | None:
    if "deceasedDateTime" in patient:
        return "Y"
    return {True: "Y", False: "N"}.get(patient.get("deceasedBoolean"))  # type: ignore[arg-type]  # None is in no dict


def _preferred(communication: Iterable[Json]) -> list[Json]:
    return sorted(communication, key=lambda one: not one.get("preferred"))


def _marital(concept: Json) -> Components | None:
    codings = concept.get("coding", ())
    code = next((one.get("code") for one in codings if one.get("system") == _MARITAL), None)
    return None if code is None else components(code)


def _cwe(concept: Json) -> Components | None:
    for coding in concept.get("coding", ()):
        return components(coding.get("code"), coding.get("display"))
    return components(None, concept.get("text")) if concept.get("text") else None


def _xad(address: Json) -> Components:
    lines = _texts(address.get("line"))
    return components(
        lines[0] if lines else address.get("text"),
        ", ".join(lines[1:]) or None,
        address.get("city"),
        address.get("state"),
        address.get("postalCode"),
        address.get("country"),
        _ADDRESS_USE.get(address.get("use", "")),
        None,
        address.get("district"),
    )


def _xtn(point: Json) -> Components:
    use = _PHONE_USE.get(point.get("use", ""))
    if point.get("system") == "email":
        return components(None, "NET", "Internet", point.get("value"))
    kind = "CP" if point.get("use") == "mobile" else _EQUIPMENT.get(point.get("system", ""))
    return components(None, use, kind, *(None,) * 8, point.get("value"))


def _current(several: Any) -> Iterator[Json]:
    """Yield what is in use now and can be said: of identifiers, names, addresses and numbers."""
    return (
        one
        for one in several or ()
        if isinstance(one, dict) and one.get("use") != "old" and "end" not in one.get("period", {})
    )


def _texts(several: Any) -> list[str]:
    """Return the texts of a list; one that is only extended stands as null in it."""
    return [str(one) for one in several or () if one is not None]
