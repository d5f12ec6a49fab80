"""What relations a caller has: the same for a request and within a transaction, also after an upgrade."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest

from fhirserver.kernel.principal import Principal, PrincipalKind, Relations
from fhirserver.store.relations import relations_within
from tests.conftest import Database
from tests.integration.rest.relationships import (
    Clinic,
    member,
    on_call,
    open_clinic,
    team,
    works_at,
)


@pytest.fixture
async def clinic(database: Database) -> AsyncIterator[Clinic]:
    async with open_clinic(database) as found:
        yield found


async def asked(clinic: Clinic, kind: PrincipalKind, reference: str) -> Relations:
    """The relations of somebody, asked both ways."""
    principal = Principal(clinic.tenant, kind, reference)
    found = await clinic.record.relations(principal)
    async with clinic.record.transaction(clinic.tenant) as tx:
        within = await relations_within(tx, {principal, Principal(clinic.tenant, "admin", "")})
    assert set(within[principal].memberships) == set(found.memberships)
    assert set(within[principal].provisions) == set(found.provisions)
    return found


def bases(found: Relations) -> set[tuple[str, str]]:
    return {(one.patient, one.basis) for one in found.memberships}


async def test_every_kind_of_relationship(clinic: Clinic) -> None:
    rows = clinic.record.relationships
    async with clinic.record.transaction(clinic.tenant) as tx:
        await rows.peers.agree(tx, "ann", "joe")
        await rows.guardians.appoint(tx, "kim", "RelatedPerson/mum")
    await clinic.store(
        on_call("Practitioner/omar"),
        works_at("shift", "stranger", "south"),
        team(
            "kim",
            member("Practitioner/nina"),
            member("CareTeam/on-call"),
            member("PractitionerRole/shift"),
        ),
    )
    assert bases(await asked(clinic, "patient", "Patient/ann")) == {("joe", "peer")}
    assert bases(await asked(clinic, "related-person", "RelatedPerson/mum")) == {
        ("kim", "guardian")
    }
    assert bases(await asked(clinic, "practitioner", "Practitioner/omar")) == {
        ("joe", "care-team"),
        ("kim", "care-team"),
    }
    assert bases(await asked(clinic, "practitioner", "Practitioner/stranger")) == {
        ("kim", "care-team")
    }
    clerk = await asked(clinic, "clinic-admin", "PractitionerRole/clerk")
    assert bases(clerk) == {("ann", "roster"), ("kim", "roster")}
    assert {one.source for one in clerk.memberships} == {"Organization/north"}
    assert bases(await asked(clinic, "clinic-admin", "Practitioner/clerk")) == bases(clerk)
    assert bases(await asked(clinic, "practitioner", "PractitionerRole/clerk")) == set()


async def test_what_was_stored_before_there_were_rows_gets_them_once(clinic: Clinic) -> None:
    await clinic.store(on_call("Practitioner/omar"), team("kim", member("CareTeam/on-call")))
    omar = await asked(clinic, "practitioner", "Practitioner/omar")
    clerk = await asked(clinic, "clinic-admin", "PractitionerRole/clerk")
    async with clinic.record.transaction(clinic.tenant) as tx:
        for statement in (
            "DELETE FROM on_call_member WHERE tenant = %s",
            "DELETE FROM on_call_roster WHERE tenant = %s",
            "DELETE FROM team_organization WHERE tenant = %s",
            "DELETE FROM staff_role WHERE tenant = %s",
        ):
            await tx.execute(statement, (clinic.tenant,))
    assert bases(await asked(clinic, "practitioner", "Practitioner/omar")) == {("joe", "care-team")}
    assert await clinic.record.file_relations(clinic.tenant) > 0
    assert await asked(clinic, "practitioner", "Practitioner/omar") == omar
    assert bases(await asked(clinic, "clinic-admin", "PractitionerRole/clerk")) == bases(clerk)
    assert await clinic.record.file_relations(clinic.tenant) == 0


async def test_a_roster_is_kept_without_names_of_people(clinic: Clinic) -> None:
    named = on_call("Practitioner/omar", name="Night shift of Omar Sharif")
    named["participant"][0]["member"]["display"] = "Omar Sharif"
    named["participant"][0]["onBehalfOf"] = {"display": "Sharif and sons"}
    await clinic.store(named)
    async with clinic.record.transaction(clinic.tenant) as tx:
        ((kept,),) = await tx.execute(
            "SELECT roster::text FROM on_call_roster WHERE tenant = %s", (clinic.tenant,)
        )
    assert "Practitioner/omar" in kept
    assert "harif" not in kept


async def test_one_human_has_several_roles(clinic: Clinic) -> None:
    links = [{"target": {"reference": one}} for one in ("Patient/joe", "RelatedPerson/bob")]
    person = {"resourceType": "Person", "id": "joe", "link": links}
    await clinic.store(person)
    people = clinic.record.relationships.people
    async with clinic.record.transaction(clinic.tenant) as tx:
        found = await people.roles_of(tx, "RelatedPerson/bob")
        assert list(found) == ["RelatedPerson/bob", "Patient/joe"]
        assert await people.person_of(tx, "Patient/joe") == "joe"
    await clinic.store(person | {"active": False})
    async with clinic.record.transaction(clinic.tenant) as tx:
        assert list(await people.roles_of(tx, "RelatedPerson/bob")) == ["RelatedPerson/bob"]


async def test_the_question_uses_indexes(clinic: Clinic) -> None:
    from fhirserver.store import relations

    principal = Principal(clinic.tenant, "practitioner", "Practitioner/nina")
    async with clinic.record.transaction(clinic.tenant) as tx:
        await tx.execute("SELECT set_config('enable_seqscan', 'off', true)")
        plan = await tx.execute(
            "EXPLAIN " + relations._ASK,
            relations._arguments(clinic.tenant, (principal,), tx.now),
        )
    assert not [line for (line,) in plan if "Seq Scan" in line]


OMAR: tuple[tuple[PrincipalKind, str], ...] = (
    ("practitioner", "Practitioner/omar"),
    ("clinic-admin", "PractitionerRole/r"),
)


async def test_it_is_said_when_a_role_begins_or_ends(clinic: Clinic) -> None:
    async def until() -> set[datetime | None]:
        return {(await asked(clinic, kind, reference)).until for kind, reference in OMAR}

    assert await until() == {None}
    begins, ends = "2099-03-01T08:00:00Z", "2099-04-01T08:00:00Z"
    await clinic.store(works_at("r", "omar", "south", period={"start": begins, "end": ends}))
    assert await until() == {datetime.fromisoformat(begins)}
    await clinic.store(works_at("r", "omar", "south", period={"end": ends}))
    # A time without fractions means the whole second.
    assert await until() == {datetime.fromisoformat(ends) + timedelta(seconds=1)}
