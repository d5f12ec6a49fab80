"""What a patient's Consents say about who may see and write what: provisions, read once and applied per resource.

A Consent never gives a right: it takes away from what relationship and role allow, and its inner provisions give back
parts of what its outer ones took. Without a Consent the relationship decides. Only active Consents of the scope
``patient-privacy`` count.

- An inner provision is an exception within the one around it; the innermost that covers a question decides, and a
  denial weighs more than a permission beside it. Each Consent decides for itself; one denial is enough.
- A class or an actor that cannot be told makes a denial wider and a permission void, so that an unreadable Consent
  hides too much rather than too little. Provisions for purposes other than treatment do not concern care.

Spec: https://hl7.org/fhir/R4/consent.html
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, Literal

from fhirserver.definitions.patient_of import patient_id
from fhirserver.kernel.principal import Provision
from fhirserver.kernel.resource import Json
from fhirserver.relations.fhir_period import bounds, earliest, latest

Action = Literal["read", "search", "create", "update", "delete"]

RESOURCE_TYPES: Final = "http://hl7.org/fhir/resource-types"
PRIVACY: Final = "patient-privacy"
_TREATMENT: Final = frozenset({"TREAT", "ETREAT", "CAREMGT"})
# http://terminology.hl7.org/CodeSystem/consentaction
_LOOKING: Final = frozenset({"access", "use", "disclose"})
_WRITING: Final = frozenset({"collect", "correct"})
# What tells a member of a care team that somebody needs help.
ALARM_TYPES: Final = ("Flag", "Task", "Communication")
_DEEPEST: Final = 8


def provisions_of(consent: Json) -> tuple[Provision, ...]:
    """Return what an active privacy Consent says, outer provisions first; () for any other."""
    patient = patient_id((consent.get("patient") or {}).get("reference"))
    if patient is None or consent.get("status") != "active":
        return ()
    if PRIVACY not in _codes([consent.get("scope")]):
        return ()
    root = consent.get("provision")
    if not isinstance(root, dict):
        return ()
    outermost = Provision(patient, str(consent.get("id", "")), permits=True)
    return tuple(_within(outermost, root, 0))


def concerning(
    provisions: Iterable[Provision], names: frozenset[str], roles: frozenset[str], now: datetime
) -> frozenset[Provision]:
    """Return those that hold at `now` and are about somebody with these `names` (references) and `roles` (codes)."""
    return frozenset(
        one
        for one in provisions
        if (not one.actors or one.actors & names)
        and (not one.roles or one.roles & roles)
        and (one.starts is None or one.starts <= now)
        and (one.ends is None or now <= one.ends)
    )


def denial(
    provisions: Iterable[Provision], patient: str, resource_type: str, action: Action
) -> Provision | None:
    """Return the provision that denies `action` on resources of the type in the record of `patient`.

    `provisions` must be those concerning the caller now. None: no Consent stands against it.
    """
    wanted = _LOOKING if action in ("read", "search") else _WRITING
    deciding: dict[str, Provision] = {}
    for one in provisions:
        if one.patient != patient or (one.classes and resource_type not in one.classes):
            continue
        if one.actions and not one.actions & wanted:
            continue
        known = deciding.get(one.consent)
        if known is None or (one.level, not one.permits) > (known.level, not known.permits):
            deciding[one.consent] = one
    denied = [one for one in deciding.values() if not one.permits]
    return min(denied, key=lambda one: one.consent) if denied else None


def silences(provisions: Iterable[Provision], member: str, role: str | None, now: datetime) -> bool:
    """Return whether `member` (a reference) would no longer learn of the patient's alarms under `provisions`."""
    roles = frozenset[str]() if role is None else frozenset({role})
    concerned = concerning(provisions, frozenset({member}), roles, now)
    patients = {one.patient for one in concerned}
    return any(
        denial(concerned, patient, type_, "read") is not None
        for patient in patients
        for type_ in ALARM_TYPES
    )


def _within(outer: Provision, given: Json, level: int) -> Iterator[Provision]:
    permits = given.get("type", "permit" if level == 0 else None) == "permit"
    one = _narrowed(replace(outer, permits=permits, level=level), given)
    if one is None or level > _DEEPEST:
        return
    if not permits:
        yield one
    elif _is_told(given):
        actors, roles = _inside(outer.actors, one.actors), _inside(outer.roles, one.roles)
        if actors is not None and roles is not None:
            yield replace(one, actors=actors, roles=roles)
    for inner in given.get("provision", ()):
        if isinstance(inner, dict):
            yield from _within(one, inner, level + 1)


def _is_told(given: Json) -> bool:
    """Return whether everything a provision is limited by can be told."""
    untold = any(name in given for name in ("securityLabel", "code", "dataPeriod", "data"))
    return not (untold or _actors(given.get("actor", ()))[2] or _classes(given.get("class", ()))[1])


def _narrowed(outer: Provision, given: Json) -> Provision | None:
    """Return `outer` with the limits that `given` adds, as far as they can be told; None where nothing is left.

    Actors are those of the innermost: who is named there may belong to the team, or have the role, named around it.
    """
    purposes = {one.get("code") for one in given.get("purpose", ()) if isinstance(one, dict)}
    if purposes and not purposes & _TREATMENT:
        return None
    actors, roles, unknown_actor = _actors(given.get("actor", ()))
    if unknown_actor:
        actors, roles = frozenset(), frozenset()
    classes, unknown_class = _classes(given.get("class", ()))
    starts, ends = bounds(given.get("period"))
    of_classes = _inside(outer.classes, frozenset() if unknown_class else classes)
    of_actions = _inside(outer.actions, _codes(given.get("action", ())))
    if of_classes is None or of_actions is None:
        return None
    return replace(
        outer,
        starts=latest(outer.starts, starts),
        ends=earliest(outer.ends, ends),
        actors=actors or outer.actors,
        roles=roles or outer.roles,
        classes=of_classes,
        actions=of_actions,
    )


def _inside(outer: frozenset[str], inner: frozenset[str]) -> frozenset[str] | None:
    """Return what both mean, where nothing means any; None where nothing is meant by both."""
    if not outer or not inner:
        return outer or inner
    return (outer & inner) or None


def _actors(given: Sequence[Any]) -> tuple[frozenset[str], frozenset[str], bool]:
    """Return references, role codes of actors without one, and whether some actor cannot be told."""
    references: set[str] = set()
    roles: set[str] = set()
    unknown = False
    for actor in given:
        reference = (actor.get("reference") or {}).get("reference")
        codes = _codes([actor.get("role")])
        if isinstance(reference, str):
            references.add(_plain(reference))
        elif codes:
            roles |= codes
        else:
            unknown = True
    # An actor by role beside one by reference: either is meant, which two separate limits could not say.
    return frozenset(references), frozenset(roles), unknown or bool(references and roles)


def _plain(reference: str) -> str:
    """Return ``Type/id`` of a reference that may be absolute or name a version."""
    return "/".join(reference.partition("/_history/")[0].split("/")[-2:])


def _classes(given: Sequence[Any]) -> tuple[frozenset[str], bool]:
    known = {
        str(one["code"]) for one in given if one.get("system") == RESOURCE_TYPES and "code" in one
    }
    return frozenset(known), len(known) < len(given)


def _codes(concepts: Iterable[Any]) -> frozenset[str]:
    return frozenset(
        str(coding["code"])
        for concept in concepts
        if isinstance(concept, dict)
        for coding in concept.get("coding", ())
        if "code" in coding
    )
