"""What an app is told while the record cannot answer."""

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response

from fhirserver.kernel.errors import Forbidden, Unavailable
from fhirserver.smart.application import _route


async def away(_request: Request) -> Response:
    raise Unavailable("the database is not available; nothing was stored, try again")


async def never(_request: Request) -> Response:
    raise Forbidden("no")


async def test_an_outage_is_told_in_the_words_of_the_protocol() -> None:
    app = Starlette(routes=[_route("/away", away, "POST"), _route("/never", never, "POST")])
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://test"
    ) as client:
        answer = await client.post("/away")
        assert (answer.status_code, answer.json()["error"]) == (503, "temporarily_unavailable")
        assert answer.headers["cache-control"] == "no-store"
        answer = await client.post("/never")
        assert (answer.status_code, answer.json()["error"]) == (403, "server_error")
        assert (await client.get("/away")).status_code == 405
