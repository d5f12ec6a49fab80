"""A telephone company that only receives: Twilio's two resources, and people who answer at once.

`POST /2010-04-01/Accounts/{sid}/Messages.json` and `.../Calls.json` (form, HTTP Basic) note the
moment they arrive, answer 201 and report the delivery to `StatusCallback`. `GET .../Messages.json`
and `.../Calls.json` (To) list what was taken, so that a sender unsure of a message can look.

The person behind each number proves it when asked to, and answers an alarm with its code and `h`
after `answer_after_s`. `GET /events?after=N` lists everything with its time; `PUT /webhooks
{"sms": url}` says where people's own messages go; `PUT /phones/{number}` exists so that a harness
may prepare any such company the same way.

https://www.twilio.com/docs/messaging/api/message-resource
https://www.twilio.com/docs/usage/security#validating-requests
"""

import asyncio
import base64
import hmac
import re
import secrets
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any, Final
from urllib.parse import parse_qsl

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

API: Final = "2010-04-01"
NUMBER: Final = "+15005550006"
# A server that is being restarted must still hear people.
TRIES: Final = 8
_VERIFICATION: Final = re.compile(
    r"\b(?:reply|responda)\s+([A-Z0-9]{4,})\s+(?:to|para)\b", re.IGNORECASE
)
_ALARM: Final = re.compile(r"\s*ALERTA?\s+([A-Z0-9]{4,}):", re.IGNORECASE)
_START_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Account:
    """The customer: its identifier and its token."""

    sid: str
    token: str

    @classmethod
    def fresh(cls) -> "Account":
        """Return an account nobody else has."""
        return cls("AC" + secrets.token_hex(16), secrets.token_hex(16))

    def settings(self, url: str) -> dict[str, str]:
        """Return the environment of a server that sends through this account at `url`."""
        return {
            "SMS_URL": url,
            "SMS_ACCOUNT": self.sid,
            "SMS_TOKEN": self.token,
            "SMS_FROM": NUMBER,
        }


def answer_to(body: str) -> tuple[str, bool] | None:
    """Return what a person writes back to `body` and whether it is an alarm; None for nothing."""
    if found := _ALARM.match(body):
        return found.group(1) + "h", True
    if found := _VERIFICATION.search(body):
        return found.group(1), False
    return None


def signature(token: str, url: str, fields: Mapping[str, str]) -> str:
    """Return X-Twilio-Signature of a form POST to `url`."""
    text = url + "".join(name + value for name, value in sorted(fields.items()))
    return base64.b64encode(hmac.digest(token.encode(), text.encode(), "sha1")).decode()


class Telephones:
    """Every handset, and what was sent to them; runs on one event loop."""

    def __init__(self, account: Account, *, answer_after_s: float | None) -> None:
        """Answer alarms after `answer_after_s` seconds, never when None."""
        self.account = account
        self.webhook: str | None = None
        self.events: list[dict[str, Any]] = []
        self._answer_after_s = answer_after_s
        self._taken: dict[str, list[dict[str, Any]]] = {"messages": [], "calls": []}
        self._tasks: set[asyncio.Task[None]] = set()
        self._http = httpx.AsyncClient(timeout=10.0, trust_env=False)

    async def create(self, request: Request) -> Response:
        """Take a message or a call."""
        arrived = datetime.now(UTC)
        fields = dict(parse_qsl((await request.body()).decode(), keep_blank_values=True))
        if not self._authentic(request):
            return JSONResponse({"code": 20003, "status": 401}, 401)
        kind = request.path_params["kind"].lower()
        to = fields.get("To", "")
        if not re.fullmatch(r"\+[1-9][0-9]{6,14}", to):
            return JSONResponse({"code": 21211, "status": 400}, 400)
        taken = {
            "sid": ("SM" if kind == "messages" else "CA") + secrets.token_hex(16),
            "to": to,
            "from": fields.get("From", ""),
            "body": fields.get("Body"),
            "status": "queued",
            "date_created": format_datetime(arrived),
        }
        self._taken[kind].append(taken)
        self._note("message" if kind == "messages" else "call", to, fields.get("Body"), arrived)
        self._start(self._deliver(kind, taken, fields.get("StatusCallback")))
        return JSONResponse(taken, 201)

    async def listed(self, request: Request) -> Response:
        """List what was taken, newest first."""
        if not self._authentic(request):
            return JSONResponse({"code": 20003, "status": 401}, 401)
        kind = request.path_params["kind"].lower()
        to = request.query_params.get("To")
        found = [one for one in reversed(self._taken[kind]) if to is None or one["to"] == to]
        return JSONResponse({kind: found[: int(request.query_params.get("PageSize", "50"))]})

    async def happened(self, request: Request) -> Response:
        """List events with a number above `after`."""
        return JSONResponse(self.events[int(request.query_params.get("after", "0")) :])

    async def set_webhook(self, request: Request) -> Response:
        """Say where people's messages go."""
        self.webhook = (await request.json()).get("sms")
        return JSONResponse({"sms": self.webhook})

    async def prepare_phone(self, request: Request) -> Response:
        """Every number exists already and answers."""
        return JSONResponse({"number": request.path_params["number"], "auto_verify": True})

    async def close(self) -> None:
        """Stop answering."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._http.aclose()

    def _authentic(self, request: Request) -> bool:
        expected = base64.b64encode(f"{self.account.sid}:{self.account.token}".encode())
        given = request.headers.get("authorization", "").encode()
        return hmac.compare_digest(given, b"Basic " + expected)

    def _note(self, kind: str, to: str, body: str | None, at: datetime) -> None:
        event: dict[str, Any] = {"number": len(self.events) + 1, "at": at.isoformat()}
        self.events.append(event | {"kind": kind, "to": to, "body": body})

    async def _deliver(self, kind: str, taken: dict[str, Any], callback: str | None) -> None:
        taken["status"] = "delivered" if kind == "messages" else "no-answer"
        if callback is not None:
            name = "Message" if kind == "messages" else "Call"
            await self._post(
                callback,
                {
                    "AccountSid": self.account.sid,
                    f"{name}Sid": taken["sid"],
                    f"{name}Status": taken["status"],
                    "To": taken["to"],
                    "From": taken["from"],
                },
            )
        answer = answer_to(taken["body"] or "")
        if answer is None:
            return
        text, alarm = answer
        if alarm and self._answer_after_s is None:
            return
        await asyncio.sleep(self._answer_after_s or 0.0 if alarm else 0.0)
        await self._write(taken["to"], text)

    async def _write(self, number: str, text: str) -> None:
        """The person at `number` sends `text`; it counts as said once the server took it."""
        if self.webhook is None:
            return
        taken = await self._post(
            self.webhook,
            {
                "AccountSid": self.account.sid,
                "MessageSid": "SM" + secrets.token_hex(16),
                "From": number,
                "To": NUMBER,
                "Body": text,
            },
        )
        if taken:
            self._note("reply", number, text, datetime.now(UTC))

    async def _post(self, url: str, fields: dict[str, str]) -> bool:
        """Return whether the server took a signed form; one that is being restarted is waited for."""
        headers = {"X-Twilio-Signature": signature(self.account.token, url, fields)}
        pause = 0.2
        for _ in range(TRIES):
            try:
                answer = await self._http.post(url, data=fields, headers=headers)
            except httpx.HTTPError as error:
                reason = type(error).__name__
            else:
                if answer.is_success:
                    return True
                reason = str(answer.status_code)
            await asyncio.sleep(pause)
            pause = min(5.0, pause * 2)
        self._note("callback-lost", fields.get("To", ""), reason, datetime.now(UTC))
        return False

    def _start(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def application(account: Account, *, answer_after_s: float | None) -> Starlette:
    """Return the company as an ASGI application."""
    state: dict[str, Telephones] = {}

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        state["telephones"] = Telephones(account, answer_after_s=answer_after_s)
        yield
        await state["telephones"].close()

    def route(path: str, method: str, name: str) -> Route:
        async def handle(request: Request) -> Response:
            answer: Response = await getattr(state["telephones"], name)(request)
            return answer

        return Route(path, handle, methods=[method])

    resource = f"/{API}/Accounts/{account.sid}/{{kind}}.json"
    return Starlette(
        lifespan=lifespan,
        routes=[
            route(resource, "POST", "create"),
            route(resource, "GET", "listed"),
            route("/events", "GET", "happened"),
            route("/webhooks", "PUT", "set_webhook"),
            route("/phones/{number}", "PUT", "prepare_phone"),
        ],
    )


@contextmanager
def running(
    account: Account, *, port: int = 0, answer_after_s: float | None = 1.0
) -> Iterator[str]:
    """Run the company on loopback in a thread of its own; yield its URL. `port` 0 takes a free one."""
    config = uvicorn.Config(
        application(account, answer_after_s=answer_after_s),
        host="127.0.0.1",
        port=port,
        log_config=None,
        access_log=False,
        ws="none",
        # Longer than callers keep a connection they do not use: who sends on one that is closing finds nobody.
        timeout_keep_alive=75,
    )
    server = uvicorn.Server(config)
    listener = config.bind_socket()
    bound = int(listener.getsockname()[1])
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    try:
        waited = threading.Event()
        for _ in range(int(_START_SECONDS / 0.02)):
            if server.started or not thread.is_alive():
                break
            waited.wait(0.02)
        if not server.started:
            raise RuntimeError(f"the telephone company did not start on port {bound}")
        yield f"http://127.0.0.1:{bound}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()
