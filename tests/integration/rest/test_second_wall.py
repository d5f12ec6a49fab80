"""Row-level security alone: the application's own decision is switched off, and no other patient's row comes out."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import httpx
import pytest

from fhirserver.crypto.blind_index import BlindIndex
from fhirserver.kernel.principal import Access, Grant, Principal, Relations
from fhirserver.rest import callers
from fhirserver.store import read
from fhirserver.store.caller import Caller, caller_of
from tests.conftest import Database
from tests.integration.rest.access_cast import CELLS, RESOURCES
from tests.integration.rest.access_house import shown
from tests.integration.rest.conftest import BASE, open_application, put

NURSE = "Practitioner/nina"
PATHS = (
    "{ref}",
    "{ref}/_history/1",
    "{ref}/_history",
    "{type}?_id={id}",
    "{type}?_count=1000",
    "{type}/_history?_count=1000",
    "?_type={type},Basic&_count=1000",
    "_history?_count=1000",
    "Patient?_count=1000&_revinclude=*",
    "{type}?_count=1000&_include=*",
    "Patient/joe/$everything?_count=1000",
    "Patient/joe/*?_count=1000",
    "$graphql?query={{{type}List{{resourceType id}}}}",
)


@asynccontextmanager
async def undecided(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[httpx.AsyncClient, httpx.AsyncClient]]:
    """An administrator, and a nurse of Ann to whom the application allows everything.

    Only what the database is told of the nurse is true.
    """

    def everything(
        principal: Principal, _relations: Relations, _now: object, _grant: Grant
    ) -> Access:
        patients = frozenset[str]() if principal.kind == "admin" else frozenset({"ann"})
        return Access(principal, everything=True, patients=patients)

    def honest(access: Access, blind: BlindIndex) -> Caller:
        if access.principal.kind == "admin":
            return caller_of(access, blind)
        return caller_of(replace(access, everything=False), blind)

    monkeypatch.setattr(callers, "decide", everything)
    monkeypatch.setattr(read, "caller_of", honest)
    async with open_application(database) as (record, transport):
        tenant = await record.ensure_tenant("undecided")
        tokens = [
            await record.issue_token(Principal(tenant, "admin", ""), 3600),
            await record.issue_token(Principal(tenant, "practitioner", NURSE), 3600),
        ]
        admin, nurse = (
            httpx.AsyncClient(
                transport=transport,
                base_url=f"{BASE}/",
                headers={"authorization": f"Bearer {token}"},
            )
            for token in tokens
        )
        async with admin, nurse:
            for resource in RESOURCES:
                answer = await put(admin, resource)
                assert answer.is_success, answer.text
            yield admin, nurse


async def test_with_the_decision_switched_off_no_other_patients_row_leaves_the_database(
    shared_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What has one patient is in a row of that patient; the rest is the tenant's, and says so.
    of_others = {one.ref for one in CELLS if len(one.of) == 1 and one.of != {"ann"}}
    of_tenant = {one.ref for one in CELLS if len(one.of) != 1}
    seen: set[str] = set()
    async with undecided(shared_database, monkeypatch) as (admin, nurse):
        for cell in CELLS:
            for path in PATHS if cell.id.endswith(("ann", "lost", "hook")) else PATHS[:4]:
                url = path.format(ref=cell.ref, type=cell.type, id=cell.id)
                answer = await nurse.get(url)
                found = shown(answer.json())
                seen |= found
                assert not found & of_others, (url, found & of_others)
        for id_ in ("joe", "cora"):
            answer = await nurse.get(f"Observation?patient={id_}&_total=accurate")
            assert answer.json()["total"] == 0
        # The decision is off indeed: the nurse gets what only administrators may see.
        assert of_tenant <= seen
        assert of_others <= shown((await admin.get("_history?_count=1000")).json())
