"""Why an interaction with one resource is allowed or refused: the facts `decide` and `judged` went by, one by one.

For administrators who are asked "why can she (not) see this?". It repeats no rule: every verdict in it is asked of the
functions that decide.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from fhirserver.auth.decide import counts, decide, is_current
from fhirserver.auth.policy import (
    LETTERS,
    audience_of,
    bonds_with,
    by_bond,
    denial_of,
    refused_by_consent,
    rows_for,
    scopes_about,
)
from fhirserver.auth.policy_table import Audience, Interaction, Row
from fhirserver.auth.role_limits import ROLES
from fhirserver.auth.scopes import filters_for, meets_filter
from fhirserver.auth.visibility import allows
from fhirserver.definitions.patient_of import Kind, belongs_to, patients_of
from fhirserver.kernel.principal import Access, Bond, Grant, Relations
from fhirserver.kernel.resource import Json

About = Literal["principal", "membership", "policy", "role", "consent", "scope", "resource"]


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that was looked at: it speaks for the permission, against it (`speaks_for` False), or neither (None).

    `patient` is the id it is about, "" for none; `source` a reference or the id of what says so, "" for none.
    """

    about: About
    speaks_for: bool | None
    text: str
    patient: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class Explanation:
    """The verdict, and the facts behind it."""

    allowed: bool
    facts: tuple[Fact, ...]


def explain(
    grant: Grant, relations: Relations, interaction: Interaction, resource: Json, now: datetime
) -> Explanation:
    """Return why the holder of `grant` may or may not do `interaction` to `resource` at `now`."""
    access = decide(grant.principal, relations, now, grant)
    return Explanation(
        allows(access, interaction, resource),
        tuple(_facts(access, relations, interaction, resource, now)),
    )


def _facts(
    access: Access,
    relations: Relations,
    interaction: Interaction,
    resource: Json,
    now: datetime,
) -> Iterator[Fact]:
    if access.everything:
        yield Fact(
            "principal", True, f"a caller of kind {access.principal.kind} reaches everything"
        )
        return
    type_ = resource["resourceType"]
    kind, patients = belongs_to(type_).kind, patients_of(resource)
    yield Fact("resource", None, f"{type_} is of kind {kind}, and names {len(patients)} patients")
    if access.principal.kind == "admin" or access.tenant_wide:
        yield Fact(
            "principal", True, f"a caller of kind {access.principal.kind} reaches every patient"
        )
    if access.principal.kind != "admin" and (access.tenant_wide or not patients):
        yield from _without_bond(access, interaction, type_, kind, named=bool(patients))
    elif access.principal.kind != "admin":
        for patient in sorted(patients):
            yield from _of_patient(access, relations, interaction, resource, patient, now)
    yield from _scopes(access, interaction, resource, kind, patients)


def _without_bond(
    access: Access, interaction: Interaction, type_: str, kind: Kind, *, named: bool
) -> Iterator[Fact]:
    whose = _audience(access)
    rows = (
        ()
        if whose is None
        else rows_for(whose, interaction, type_, kind, named=named or access.tenant_wide)
    )
    for row in rows:
        yield _allowing(row, interaction, type_)
    if not rows:
        nobody = "" if named else " that names no patient"
        yield Fact(
            "policy",
            False,
            f"no policy row lets {whose or 'this caller'} {interaction} a {type_}{nobody}",
        )


def _audience(access: Access) -> Audience | None:
    # What names nobody is looked at as if it were the caller's own.
    return audience_of(access, Bond(access.principal.reference.partition("/")[2], "care-team"))


def _of_patient(
    access: Access,
    relations: Relations,
    interaction: Interaction,
    resource: Json,
    patient: str,
    now: datetime,
) -> Iterator[Fact]:
    type_ = resource["resourceType"]
    kind = belongs_to(type_).kind
    there = [one for one in relations.memberships if one.patient == patient]
    for one in there:
        current = is_current(one, now)
        mine = counts(access.principal, one)
        state = (
            "holds" if current and mine else "is not in its time" if mine else "does not count here"
        )
        role = "" if one.role is None else f" as {one.role}"
        yield Fact(
            "membership", current and mine, f"{one.basis}{role} {state}", patient, one.source
        )
    bonds = bonds_with(access, patient)
    if not bonds:
        held = any(counts(access.principal, one) and is_current(one, now) for one in there)
        why = "the token is for another patient" if held else "no relationship"
        yield Fact("membership", False, why, patient)
    for bond in bonds:
        audience = audience_of(access, bond)
        rows = () if audience is None else rows_for(audience, interaction, type_, kind, named=True)
        for row in rows:
            yield _allowing(row, interaction, type_, patient)
        if not rows:
            yield Fact(
                "policy",
                False,
                f"no policy row lets {audience or 'this caller'} {interaction} {type_}",
                patient,
            )
        found = by_bond(access, bond, interaction, type_, kind)
        if rows and bond.role in ROLES:
            yield Fact("role", bool(found), f"{bond.role}: {ROLES[bond.role].reason}", patient)
        if found and not any(meets_filter(resource, one) for one in found):
            yield Fact(
                "policy", False, "the resource does not meet what the row asks of it", patient
            )
        yield from _consents(access, bond, type_, interaction)


def _consents(access: Access, bond: Bond, type_: str, interaction: Interaction) -> Iterator[Fact]:
    said = denial_of(access, bond.patient, type_, interaction)
    if said is None:
        return
    source = f"Consent/{said.consent}"
    if refused_by_consent(access, bond, type_, interaction):
        yield Fact(
            "consent",
            False,
            f"the patient denies it (provision of level {said.level})",
            bond.patient,
            source,
        )
    else:
        yield Fact("consent", None, f"a denial does not bind {bond.basis}", bond.patient, source)


def _scopes(
    access: Access,
    interaction: Interaction,
    resource: Json,
    kind: Kind,
    patients: frozenset[str],
) -> Iterator[Fact]:
    if access.scopes is None:
        yield Fact("scope", None, "nothing narrows the token")
        return
    type_ = resource["resourceType"]
    scopes = scopes_about(access.scopes, patients, kind)
    for letter in LETTERS[interaction]:
        covering = [
            one for one in scopes if filters_for((one,), letter, type_, patients, access.launch)
        ]
        for one in covering:
            met = meets_filter(resource, one.filter)
            yield Fact(
                "scope",
                met,
                f"{one.text} covers {letter}" + ("" if met else ", but its search is not met"),
            )
        if not covering:
            yield Fact("scope", False, f"no scope covers {letter} on this {type_}")


def _allowing(row: Row, interaction: Interaction, type_: str, patient: str = "") -> Fact:
    only = f" (only {row.only})" if row.only else ""
    text = f"{row.audience} may {interaction} {type_}: {row.reason}{only}"
    return Fact("policy", True, text, patient)
