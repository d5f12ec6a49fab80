"""The corpus of killers, over a record in memory: a clear refusal to each, and nothing is stored."""

import asyncio

import pytest

from fhirserver.rest import application
from fhirserver.wire import fhir_json, fhir_xml
from tests.patience import PATIENCE_SECONDS
from tests.unit.rest.asgi_call import Answered, call
from tests.unit.rest.bad_requests import BAD_REQUESTS, BadRequest
from tests.unit.rest.conftest import Server

ADMIN = (b"authorization", b"Bearer admin")


async def sent(server: Server, bad: BadRequest) -> Answered:
    app = application(server.services())
    headers = (ADMIN, *bad.headers)
    async with asyncio.timeout(PATIENCE_SECONDS):
        return await call(
            app, bad.method, bad.path, query=bad.query, headers=headers, body=bad.body
        )


@pytest.mark.parametrize("bad", BAD_REQUESTS, ids=lambda bad: bad.name)
async def test_it_is_refused_and_says_why(server: Server, bad: BadRequest) -> None:
    before = {key: list(value) for key, value in server.record.versions.items()}

    answered = await sent(server, bad)

    assert answered.status in bad.expected, answered.body[:500]
    if answered.status >= 400:
        outcome = fhir_json.read(answered.body)
        assert outcome["resourceType"] == "OperationOutcome"
        assert outcome["issue"][0]["diagnostics"]
        assert len(answered.body) < 200_000
        assert fhir_xml.read(fhir_xml.write(outcome)) == outcome
    assert server.record.versions == before


def test_names_tell_them_apart() -> None:
    assert len({bad.name for bad in BAD_REQUESTS}) == len(BAD_REQUESTS)
