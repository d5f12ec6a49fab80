"""Two records of one patient: what a link says, and what it gives nobody."""

from typing import Any

import httpx
import pytest

from fhirserver.kernel.resource import Json
from tests.integration.rest.conftest import patient, put
from tests.integration.rest.relationships import Clinic, member, sees, team


def linked(of: str, kind: str, other: str) -> Json:
    link = {"other": {"reference": f"Patient/{other}"}, "type": kind}
    return {**patient(of), "id": of, "link": [link]}


async def linking(client: httpx.AsyncClient, of: str, **more: Any) -> httpx.Response:
    return await put(client, {**linked(of, "replaces", "joe"), **more})


async def test_a_link_gives_nobody_the_other_record(clinic: Clinic) -> None:
    """Ann's and Joe's become one; who is in the team of one sees what they saw before, and no more."""
    await clinic.store(
        linked("ann", "replaces", "joe"), {**linked("joe", "replaced-by", "ann"), "active": False}
    )
    nina, omar = await clinic.nurse("nina"), await clinic.nurse("omar")
    await clinic.store(team("joe", member("Practitioner/omar")))

    for client, own, other in ((nina, "ann", "joe"), (omar, "joe", "ann")):
        assert await sees(client, f"Patient/{own}")
        assert await sees(client, f"Condition/ckd-{own}")
        assert not await sees(client, f"Patient/{other}")
        assert not await sees(client, f"Condition/ckd-{other}")
        found = (await client.get(f"Condition?patient={other}&_total=accurate")).json()
        assert found["total"] == 0
    joe = await clinic.who("patient", "Patient/joe")
    assert await sees(joe, "Patient/joe")
    assert not await sees(joe, "Patient/ann")


@pytest.mark.parametrize("kind", ["replaces", "replaced-by", "refer", "seealso"])
async def test_who_knows_one_of_two_patients_links_them_not(clinic: Clinic, kind: str) -> None:
    nina = await clinic.nurse("nina")
    refused = await put(nina, linked("ann", kind, "joe"))
    assert refused.status_code == 403, refused.text
    assert "female" not in refused.text


async def test_nor_parts_them_again_and_what_is_linked_stays_writable(clinic: Clinic) -> None:
    assert (await linking(clinic.admin, "ann")).is_success
    nina = await clinic.nurse("nina")
    assert (await linking(nina, "ann", birthDate="1950-01-01")).status_code == 200
    assert (await put(nina, {**patient("ann"), "id": "ann"})).status_code == 403


async def test_who_is_on_both_teams_links_them(clinic: Clinic) -> None:
    await clinic.store(team("joe", member("Practitioner/nina")))
    assert (await linking(await clinic.nurse("nina"), "ann")).status_code == 200
