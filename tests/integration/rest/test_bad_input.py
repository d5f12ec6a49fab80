"""The corpus of killers and generated searches, over PostgreSQL: a clear answer to each, in time."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fhirserver.definitions import load
from fhirserver.kernel.principal import Principal
from fhirserver.search.query import supported_parameters
from fhirserver.wire import fhir_json
from tests.conftest import Database
from tests.integration.rest.conftest import open_application
from tests.patience import PATIENCE_SECONDS
from tests.unit.rest.asgi_call import Answered, call
from tests.unit.rest.bad_requests import BAD_REQUESTS, JSON, BadRequest

ANN = b'{"resourceType":"Patient","id":"ann","gender":"female"}'

Ask = Callable[..., Answered]


@pytest.fixture(scope="module")
def ask(shared_database: Database) -> Iterator[Ask]:
    """A function that sends one request as an administrator; Patient/ann is there."""
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()

        async def open_it() -> tuple[Any, str]:
            record, transport = await stack.enter_async_context(open_application(shared_database))
            tenant = await record.ensure_tenant("bad-input")
            return transport.app, await record.issue_token(Principal(tenant, "admin", ""), 3600)

        app, token = runner.run(open_it())

        def send(method: str, path: str, **more: Any) -> Answered:
            headers = [(b"authorization", f"Bearer {token}".encode()), *more.pop("headers", ())]

            async def answered() -> Answered:
                async with asyncio.timeout(PATIENCE_SECONDS):
                    return await call(app, method, path, headers=headers, **more)

            return runner.run(answered())

        made = send("PUT", "Patient/ann", headers=[(b"content-type", JSON)], body=ANN)
        assert made.status == 201
        yield send
        runner.run(stack.aclose())


@pytest.mark.parametrize("bad", BAD_REQUESTS, ids=lambda bad: bad.name)
def test_it_is_refused_and_says_why(ask: Ask, bad: BadRequest) -> None:
    answered = ask(bad.method, bad.path, query=bad.query, headers=bad.headers, body=bad.body)

    assert answered.status in bad.expected, answered.body[:500]
    if answered.status >= 400:
        assert fhir_json.read(answered.body)["resourceType"] == "OperationOutcome"
    kept = ask("GET", "Patient/ann", headers=[(b"accept", JSON)])
    assert fhir_json.read(kept.body)["meta"]["versionId"] == "1"


TYPES = ("Patient", "Observation", "Encounter", "Task", "ValueSet")
NAMES = sorted({name for one in TYPES for name in supported_parameters(one, load())})
MODIFIERS = (
    "", ":missing", ":exact", ":contains", ":not", ":text", ":in", ":not-in", ":above", ":below",
    ":of-type", ":identifier", ":Patient", ":iterate", ".name", ":Patient.name", ".organization.name",
)  # fmt: skip
VALUES = st.one_of(
    st.sampled_from(
        ["true", "false", "ann", "Patient/ann", "http://loinc.org|1", "|", "a|b|c", ",", "$", "\\", "\\,",
         "ge2026", "2026-02-30", "9999-12-31T23:59:59.999999+14:00", "0001", "1e3", "-0", "5.40|http://unitsofmeasure.org|mg",
         "ap100", "1|mm[Hg]", "#x", "urn:uuid:1", "*", "Patient:link", "a$b", "sa1$lt2", "%", "'\"", 'name eq "x"',
         "(a eq 1) and (b ne 2)", "1|2|3|km", "91|181|1|km", "ann,joe", "-_lastUpdated,name", "x" * 3000]
    ),
    st.text(max_size=12),
    st.decimals(allow_nan=False, allow_infinity=False).map(str),
    st.datetimes().map(lambda one: one.isoformat()),
)  # fmt: skip
SEARCH_PAIRS = st.lists(
    st.tuples(
        st.one_of(
            st.tuples(st.sampled_from(NAMES), st.sampled_from(MODIFIERS)).map("".join),
            st.sampled_from(
                ["_sort", "_count", "_include", "_revinclude", "_include:iterate", "_total",
                 "_summary", "_elements", "_filter", "_has:Observation:patient:code", "_list",
                 "_type", "_contained", "_containedType", "_text", "_content", "_cursor", "_explain",
                 "_query", "_lastUpdated", "_id", "near"]
            ),
            st.text(max_size=6),
        ),
        VALUES,
    ),
    max_size=3,
)  # fmt: skip


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    path=st.sampled_from([*TYPES, "", "Patient/ann/Observation", "Patient/ann/*", "Patient/ann/_history"]),
    pairs=SEARCH_PAIRS,
    lenient=st.booleans(),
)  # fmt: skip
def test_any_search_is_answered(
    ask: Ask, path: str, pairs: list[tuple[str, str]], lenient: bool
) -> None:
    query = urlencode([(name, value.encode("utf-8", "replace")) for name, value in pairs]).encode()
    headers = [(b"prefer", b"handling=lenient")] if lenient else []

    answered = ask("GET", path, query=query, headers=headers)

    assert answered.status in (200, 400, 403, 404, 422), (query, answered.body[:300])
    kind = fhir_json.read(answered.body)["resourceType"]
    assert kind == ("Bundle" if answered.status == 200 else "OperationOutcome")
