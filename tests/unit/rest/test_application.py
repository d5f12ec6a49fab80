"""The shell around the FHIR API: health, redirect, request ids, headers, and our own faults."""

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from structlog.testing import capture_logs

from fhirserver.rest import application
from tests.unit.rest.conftest import BASE, Server


def browser(app: object) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app)  # type: ignore[arg-type]
    return httpx.AsyncClient(transport=transport, base_url="http://test")


@pytest.mark.parametrize(
    "path",
    ["Patient/ann", "Patient/nobody", "metadata", "http://test/health/live", "http://test/nothing"],
)
async def test_every_answer_carries_the_security_headers_and_a_request_id(
    client: httpx.AsyncClient, path: str
) -> None:
    answer = await client.get(path)

    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["x-request-id"] == "made-request-id"
    assert "strict-transport-security" not in answer.headers


@pytest.mark.parametrize(
    ("sent", "kept"),
    [("abc-1.2_3", True), ("x" * 64, True), ("x" * 65, False), ("a b", False), ("<script>", False)],
)
async def test_a_request_id_of_the_caller_is_kept_when_it_is_harmless(
    client: httpx.AsyncClient, sent: str, kept: bool
) -> None:
    answer = await client.get("Patient/ann", headers={"x-request-id": sent})

    assert answer.headers["x-request-id"] == (sent if kept else "made-request-id")


async def test_our_own_fault_is_told_to_the_operator_and_not_to_the_caller(
    client: httpx.AsyncClient, server: Server
) -> None:
    cause = ValueError("patient Ann Smith")
    server.record.broken = RuntimeError("could not read Ann Smith")
    server.record.broken.__cause__ = cause

    with capture_logs() as logs:
        answer = await client.get("Patient/ann", headers={"x-request-id": "r-1"})

    assert answer.status_code == 500
    assert answer.json()["issue"][0]["code"] == "exception"
    assert "Ann" not in answer.text.replace("Nothing about the cause", "")
    assert logs[0]["request_id"] == "r-1"
    assert logs[0]["cause"] == ["builtins.RuntimeError", "builtins.ValueError"]
    assert any("memory_record" in place for place in logs[0]["where"])
    assert "Smith" not in str(logs)


async def test_routes_of_other_parts_are_served(server: Server) -> None:
    async def sms(request: Request) -> Response:
        return PlainTextResponse(f"tenant {request.path_params['tenant']}")

    async def broken(_request: Request) -> Response:
        message = "secret"
        raise RuntimeError(message)

    services = server.services()
    object.__setattr__(
        services,
        "extra_routes",
        [
            Route("/telephony/{tenant:int}/sms", sms, methods=["POST"]),
            Route("/broken", broken),
        ],
    )
    async with browser(application(services)) as client:
        answer = await client.post("/telephony/7/sms")
        with capture_logs() as logs:
            failed = await client.get("/broken")

    assert answer.text == "tenant 7"
    assert failed.status_code == 500
    assert "secret" not in failed.text
    assert logs[0]["event"] == "request failed"


async def test_readiness_names_the_missing_part(server: Server) -> None:
    server.parts = {"database": True, "broker": False}

    async with browser(application(server.services())) as client:
        answer = await client.get("/health/ready")

    assert answer.status_code == 503
    assert answer.json() == {"status": "not ready", "parts": {"database": True, "broker": False}}


async def test_the_demo_page_is_a_redirect_in_demo_mode_only(server: Server) -> None:
    async with browser(application(server.services("http://127.0.0.1:9/demo"))) as client:
        there = await client.get("/")
    async with browser(application(server.services())) as client:
        nowhere = await client.get("/")

    assert there.status_code == 307
    assert there.headers["location"] == "http://127.0.0.1:9/demo"
    assert nowhere.status_code == 404


async def test_an_https_base_asks_for_https_only(server: Server) -> None:
    services = server.services()
    object.__setattr__(services, "base", "https://fhir.example.org/fhir")

    async with browser(application(services)) as client:
        answer = await client.get("/health/live")

    assert "max-age" in answer.headers["strict-transport-security"]


@pytest.mark.parametrize("path", ["/openapi", "/docs", "/redoc", "/fhirx", "/FHIR/Patient/ann"])
async def test_nothing_else_is_open(server: Server, path: str) -> None:
    async with browser(application(server.services())) as client:
        answer = await client.get(path)

    assert answer.status_code == 404


async def test_a_websocket_is_closed(server: Server) -> None:
    sent: list[object] = []

    async def send(message: object) -> None:
        sent.append(message)

    async def receive() -> dict[str, str]:
        return {"type": "websocket.connect"}

    scope = {
        "type": "websocket",
        "path": "/fhir/Patient",
        "headers": [],
        "query_string": b"",
        "root_path": "",
    }
    await application(server.services())(scope, receive, send)

    assert sent == [{"type": "websocket.close", "code": 1000}]


async def test_a_caller_who_leaves_in_the_middle_of_a_body_gets_no_answer(server: Server) -> None:
    sent: list[object] = []

    async def send(message: object) -> None:
        sent.append(message)

    async def receive() -> dict[str, str]:
        return {"type": "http.disconnect"}

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/fhir/Patient",
        "headers": [(b"authorization", b"Bearer admin"), (b"content-type", b"application/json")],
        "query_string": b"",
        "root_path": "",
    }
    await application(server.services())(scope, receive, send)

    assert sent == []


async def test_links_name_the_public_base_whatever_the_host_header_says(
    client: httpx.AsyncClient,
) -> None:
    answer = await client.get("Patient", headers={"host": "evil.example"})

    assert "evil" not in answer.text
    assert answer.json()["link"][0]["url"] == f"{BASE}/Patient"
