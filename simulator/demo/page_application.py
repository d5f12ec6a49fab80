"""The demonstration's page and its small interface, for people on this machine only.

`GET /` and its two files; `GET /api/state`; `POST /api/phones/{number}/messages`, `POST
/api/phones/{number}/calls/{sid}/answer|digits|hangup` (handed to the phone company); `POST
/api/control` (start and stop scenarios). Requests that name another host are refused, and so are
POSTs that are not JSON, which a page of another site cannot send.
"""

from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import resources
from typing import Any

import httpx
import orjson
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from simulator import codes
from simulator.control import Control, ControlError, read_control
from simulator.demo.cast import HOUSEHOLDS, Household
from simulator.demo.picture import MACHINE_STALE_AFTER_S, Picture

FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
}
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
STORY_SHOWN = 300
# Older than this, a value says nothing about now. [P]
STALE_AFTER_S = {"machine": MACHINE_STALE_AFTER_S, "cuff": 20.0}
_CARD = (
    ("150021", "Systolic", "cuff"),
    ("150022", "Diastolic", "cuff"),
    (codes.VENOUS_PRESSURE, "Venous pressure", "machine"),
    (codes.BLOOD_FLOW, "Blood flow", "machine"),
    ("159032", "Fluid removed", "machine"),
    ("158724", "Time left", "machine"),
)


def home_view(home: Household, picture: Picture, now: datetime) -> dict[str, Any]:
    """Return one home as a card: state word, last values with their age, open alerts.

    `state` is `go-now` (an open PH), `check` (an open PM), `no-data` (no fresh machine value) or
    `monitored`; nothing is ever called normal.
    """
    values = picture.values[home.key]
    shown: list[dict[str, Any]] = []
    newest: datetime | None = None
    fresh = False
    for code, label, source in _CARD:
        value = values.get(code)
        if value is None:
            continue
        age = (now - value.at).total_seconds()
        stale = age > STALE_AFTER_S[source]
        if source == "machine":
            fresh = fresh or not stale
            newest = value.at if newest is None or value.at > newest else newest
        shown.append(
            {"label": label, "value": value.text, "unit": value.unit, "age_s": age, "stale": stale}
        )
    open_alerts = [a for a in picture.alerts.values() if a.home == home.key and a.active]
    priorities = {alert.priority for alert in open_alerts}
    state = "monitored" if fresh else "no-data"
    if "PH" in priorities:
        state = "go-now"
    elif "PM" in priorities:
        state = "check"
    return {
        "key": home.key,
        "name": home.patient.name,
        "partner": home.partner.name,
        "device": home.machine.eui64,
        "scenario": home.scenario,
        "own_limit": home.own_limit,
        "state": state,
        "since": None if newest is None else newest.isoformat(),
        "values": shown,
    }


def state_view(picture: Picture, phones: list[dict[str, Any]], now: datetime) -> dict[str, Any]:
    """Return everything the page shows."""
    homes = {home.key: home.patient.name for home in HOUSEHOLDS}
    alerts = sorted(picture.alerts.values(), key=lambda a: (a.active, a.start), reverse=True)
    return {
        "now": now.isoformat(),
        "homes": [home_view(home, picture, now) for home in HOUSEHOLDS],
        "alerts": [asdict(alert) | {"name": homes[alert.home]} for alert in alerts],
        "story": [
            asdict(line) | {"name": homes.get(line.home or "", "")}
            for line in sorted(picture.story[-STORY_SHOWN:], key=lambda line: line.at)
        ],
        "phones": phones,
    }


class Page:
    """The handlers."""

    def __init__(
        self,
        picture: Picture,
        http: httpx.AsyncClient,
        phone_url: str,
        control: Callable[[Control], None],
        clock: Callable[[], datetime],
    ) -> None:
        self._picture = picture
        self._http = http
        self._phone_url = phone_url
        self._control = control
        self._clock = clock

    async def file(self, request: Request) -> Response:
        """One of the page's files."""
        name, media_type = FILES[request.url.path]
        content = resources.files("simulator.demo").joinpath("page", name).read_bytes()
        return Response(content, media_type=media_type, headers=HEADERS)

    async def state(self, request: Request) -> Response:
        """GET /api/state."""
        phones = (await self._http.get(f"{self._phone_url}/phones")).json()
        view = state_view(self._picture, phones, self._clock().astimezone(UTC))
        content = orjson.dumps(view)
        return Response(content, media_type="application/json", headers=HEADERS)

    async def to_phone(self, request: Request) -> Response:
        """POST to the phone company, as the person holding that phone."""
        if not _is_json(request):
            return JSONResponse({"message": "JSON only"}, 415)
        path = request.url.path.removeprefix("/api")
        answer = await self._http.post(
            f"{self._phone_url}{path}",
            content=await request.body(),
            headers={"Content-Type": "application/json"},
        )
        return Response(answer.content, answer.status_code, media_type="application/json")

    async def control(self, request: Request) -> Response:
        """POST /api/control."""
        if not _is_json(request):
            return JSONResponse({"message": "JSON only"}, 415)
        try:
            self._control(read_control(await request.body()))
        except ControlError as error:
            return JSONResponse({"message": str(error)}, 400)
        return JSONResponse({"done": True})


def _is_json(request: Request) -> bool:
    return request.headers.get("content-type", "").split(";")[0].strip() == "application/json"


def page_application(page: Page) -> Starlette:
    """Return the ASGI application of the page."""
    return Starlette(
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"])],
        routes=[
            *(Route(path, page.file) for path in FILES),
            Route("/api/state", page.state),
            Route("/api/phones/{number}/messages", page.to_phone, methods=["POST"]),
            Route("/api/phones/{number}/calls/{sid}/{act}", page.to_phone, methods=["POST"]),
            Route("/api/control", page.control, methods=["POST"]),
        ],
    )
