"""Stands in for the server in the demonstration's test: copied to a package called fhirserver.

In memory: read, put, search by type, $enroll (everybody is the broker's user `device`),
$issue-token, $test-page (armed at once), readiness; writes the administrator's token as the server does at its first start.
"""

import os
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

resources: dict[str, dict[str, dict[str, Any]]] = {}


async def one(request: Request) -> Response:
    kind, identity = request.path_params["type"], request.path_params["id"]
    known = resources.get(kind, {}).get(identity)
    if request.method == "GET":
        return Response(status_code=404) if known is None else JSONResponse(known)
    body = await request.json()
    version = 1 if known is None else int(known["meta"]["versionId"]) + 1
    body["meta"] = body.get("meta", {}) | {"versionId": str(version)}
    resources.setdefault(kind, {})[identity] = body
    return JSONResponse(body, 201)


async def search(request: Request) -> Response:
    found = resources.get(request.path_params["type"], {}).values()
    entry = [{"resource": resource, "search": {"mode": "match"}} for resource in found]
    return JSONResponse({"resourceType": "Bundle", "type": "searchset", "entry": entry})


def parameters(**values: str) -> Response:
    parameter = [{"name": name, "valueString": value} for name, value in values.items()]
    return JSONResponse({"resourceType": "Parameters", "parameter": parameter})


async def enroll(request: Request) -> Response:
    device = resources["Device"][request.path_params["id"]]
    address = device["identifier"][0]["value"].replace("-", "")
    return parameters(username="device", password="secret", tenant="t1", device=address)


async def issue_token(request: Request) -> Response:
    return parameters(token="token")


async def armed(request: Request) -> Response:
    return parameters(state="armed")


async def ready(request: Request) -> Response:
    return JSONResponse({"ready": True})


async def root(request: Request) -> Response:
    return RedirectResponse(os.environ["DEMO_PAGE_URL"], 307)


app = Starlette(
    routes=[
        Route("/", root),
        Route("/health/ready", ready),
        Route("/fhir/$issue-token", issue_token, methods=["POST"]),
        Route("/fhir/Device/{id}/$enroll", enroll, methods=["POST"]),
        Route("/fhir/Patient/{id}/$test-page", armed, methods=["POST"]),
        Route("/fhir/{type}", search),
        Route("/fhir/{type}/{id}", one, methods=["GET", "PUT"]),
    ]
)

if __name__ == "__main__":
    token = Path(os.environ["DATA"]) / "admin.token"
    token.write_text("admin-token\n")
    token.chmod(0o600)
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=int(os.environ["PORT"]),
        log_level="warning",
        timeout_keep_alive=75,
    )
