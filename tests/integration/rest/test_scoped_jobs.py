"""A request handed in with respond-async is done, and its outcome given, under the scopes it was handed in with."""

from datetime import timedelta
from typing import cast

from fhirserver.kernel.jobs import Running
from fhirserver.rest.deferred import grant_of
from tests.conftest import Database
from tests.integration.rest.access_house import furnished


async def test_another_token_of_the_same_person_does_not_learn_of_it(
    shared_database: Database,
) -> None:
    async with furnished(shared_database) as house:
        app, nurse = house.clients["app of ann"], house.clients["nurse"]
        handed = await app.get("Observation", headers={"prefer": "respond-async"})
        assert handed.status_code == 202
        question = handed.headers["content-location"].rpartition("/")[2]

        assert (await app.get(question)).status_code == 202
        assert (await nurse.get(question)).status_code == 202
        assert (await house.clients["admin"].get(question)).status_code == 202
        for name in ("vital app", "app of joe", "app of the old kind", "partner"):
            assert (await house.clients[name].get(question)).status_code == 404, name
            assert question.partition("=")[2] not in (await house.clients[name].get("$jobs")).text
        claimed = await house.record.jobs.claim(
            house.tenant, ("request",), timedelta(minutes=1), alone=False
        )
        assert claimed is not None
        granted = grant_of(cast("Running", claimed))
        assert (granted.scopes, granted.patient) == (("patient/*.rs",), "ann")
        assert granted.principal.reference == "Practitioner/nina"
