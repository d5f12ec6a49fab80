"""The rules of the Basic Audit Log Patterns 1.1, written down from the profiles apart from the code that follows them.

Each rule is (path of a list, code of the slice, how many at least, how many at most).

Spec: https://profiles.ihe.net/ITI/BALP/artifacts.html
"""

from typing import Any

PROFILES = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/"
DCM = "http://dicom.nema.org/resources/ontology/DCM"
REST = "http://terminology.hl7.org/CodeSystem/audit-event-type"
INTERACTION = "http://hl7.org/fhir/restful-interaction"
TYPES = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
ROLES = "http://terminology.hl7.org/CodeSystem/object-role"
PARTICIPATION = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"

READERS = (f"{DCM}|110152", f"{DCM}|110153")
WRITERS = (f"{DCM}|110153", f"{DCM}|110152")
DELETERS = (
    f"{DCM}|110150",
    "http://terminology.hl7.org/CodeSystem/provenance-participant-type|custodian",
)
AUTHORS = {f"{PARTICIPATION}|{code}" for code in ("AUT", "INF", "CST")}
RECIPIENT = {f"{PARTICIPATION}|IRCP"}

# profile -> type, subtypes of which one is needed, action, (client, server), types of a user, kind of object
RULES: dict[str, tuple[str, set[str], str, tuple[str, str], set[str], str]] = {
    "IHE.BasicAudit.Read": (f"{REST}|rest", {"read", "vread"}, "R", READERS, RECIPIENT, "data"),
    "IHE.BasicAudit.Create": (f"{REST}|rest", {"create"}, "C", WRITERS, AUTHORS, "data"),
    "IHE.BasicAudit.Update": (f"{REST}|rest", {"update", "patch"}, "U", WRITERS, AUTHORS, "data"),
    "IHE.BasicAudit.Delete": (f"{REST}|rest", {"delete"}, "D", DELETERS, AUTHORS, "data"),
    "IHE.BasicAudit.Query": (
        f"{REST}|rest", {"search", "search-type", "search-system"}, "E", WRITERS, RECIPIENT, "query",
    ),
}  # fmt: skip


def violations(event: dict[str, Any]) -> list[str]:
    """Return what breaks the profile that `event` claims; what claims none breaks nothing."""
    claimed = event.get("meta", {}).get("profile", [])
    if not claimed:
        return []
    if len(claimed) != 1 or not claimed[0].startswith(PROFILES):
        return [f"claims {claimed}"]
    name = claimed[0].removeprefix(PROFILES)
    found = [] if event.get("outcome") == "0" else ["the pattern is of a success"]
    if "recorded" not in event:
        found.append("recorded is missing")
    if name == "IHE.BasicAudit.PrivacyDisclosure.Source":
        return found + _disclosure(event)
    rule = RULES.get(name.replace("BasicAudit.Patient", "BasicAudit."))
    if rule is None:
        return [*found, f"{name} is no profile known here"]
    found += _restful(event, *rule)
    if "BasicAudit.Patient" in name:
        found += _patient(event)
    return found


def _restful(
    event: dict[str, Any],
    type_: str,
    subtypes: set[str],
    action: str,
    ends: tuple[str, str],
    users: set[str],
    thing: str,
) -> list[str]:
    found = []
    if _text(event["type"]) != type_:
        found.append("type")
    named = {one["code"] for one in event.get("subtype", ()) if one["system"] == INTERACTION}
    if not named & subtypes:
        found.append("subtype")
    if event.get("action") != action:
        found.append("action")
    for end in ends:
        same = _agents(event, end)
        if len(same) != 1:
            found.append(f"{len(same)} agents {end}")
        found += [
            f"{end} has no {part}" for one in same for part in ("who", "network") if part not in one
        ]
        found += [f"{end} has media" for one in same if "media" in one]
    found += _users(event, ends, users)
    objects = [one for one in event.get("entity", ()) if _text(one["type"]) == f"{TYPES}|2"]
    # Entities are sliced by their type alone: whatever is a System Object falls into the one slice there is.
    if len(objects) != 1:
        return [*found, f"{len(objects)} System Objects"]
    (one,) = objects
    role = _text(one.get("role", {}))
    if thing == "query":
        if (
            role != f"{ROLES}|24"
            or not one.get("query")
            or {"what", "lifecycle", "detail"} & set(one)
        ):
            found.append("a query, without what")
    elif role not in {f"{ROLES}|{code}" for code in ("4", "3", "20")} or "what" not in one:
        found.append("an object in a role of REST")
    if action == "D":
        found += _deletion(event, ends)
    return found + _request_ids(event)


def _deletion(event: dict[str, Any], ends: tuple[str, str]) -> list[str]:
    found = [] if len(event["subtype"]) == 1 else ["one subtype"]
    bare = {"role", "altId", "name", "location", "policy", "media", "purposeOfUse"}
    for one in event["agent"]:
        refused = bare if _type_of(one) in ends else {"altId", "location", "policy"}
        found += [f"an agent with {part}" for part in sorted(refused & set(one))]
    for one in event["entity"]:
        found += [
            f"an entity with {part}" for part in ("lifecycle", "name", "detail") if part in one
        ]
    return found


def _users(event: dict[str, Any], ends: tuple[str, str], users: set[str]) -> list[str]:
    found = []
    for one in event["agent"]:
        if _type_of(one) in ends:
            continue
        if _type_of(one) not in users:
            found.append(f"a user of type {_type_of(one)}")
        if one.get("requestor") is not True or "who" not in one or {"network", "media"} & set(one):
            found.append("a user asks, is named, and is on no network")
    return found


def _request_ids(event: dict[str, Any]) -> list[str]:
    system = "https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType|XrequestId"
    same = [one for one in event.get("entity", ()) if _text(one["type"]) == system]
    if len(same) > 1:
        return ["two request ids"]
    return [] if all(one["what"]["identifier"]["value"] for one in same) else ["request id"]


def _patient(event: dict[str, Any]) -> list[str]:
    same = [one for one in event.get("entity", ()) if _text(one["type"]) == f"{TYPES}|1"]
    if len(same) != 1:
        return [f"{len(same)} patients"]
    (one,) = same
    found = [] if _text(one.get("role", {})) == f"{ROLES}|1" else ["role of the patient"]
    if not one["what"].get("reference", "").startswith("Patient/"):
        found.append("the patient is no reference")
    return found


def _disclosure(event: dict[str, Any]) -> list[str]:
    found = []
    if _text(event["type"]) != f"{DCM}|110106" or event.get("action") != "R":
        found.append("an export, read")
    lifecycle = "http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle|disclose"
    if lifecycle not in {_text(one) for one in event.get("subtype", ())}:
        found.append("subtype disclose")
    for end in WRITERS:
        same = _agents(event, end)
        if len(same) != 1 or "who" not in same[0] or "network" not in same[0]:
            found.append(f"one agent {end}")
    source = _agents(event, f"{DCM}|110153")
    if source and source[0]["who"] != event["source"]["observer"]:
        found.append("val-audit-source")
    if len(event.get("entity", ())) < 2:
        found.append("two entities")
    return found + _patient(event)


def _agents(event: dict[str, Any], type_: str) -> list[dict[str, Any]]:
    return [one for one in event["agent"] if _type_of(one) == type_]


def _type_of(agent: dict[str, Any]) -> str:
    return _text(agent.get("type", {}).get("coding", [{}])[0])


def _text(coding: dict[str, Any]) -> str:
    return f"{coding.get('system')}|{coding.get('code')}"
