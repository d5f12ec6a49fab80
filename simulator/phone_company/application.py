"""HTTP of the phone company: Twilio's two resources, and the handsets that only a simulator has.

For the account: `POST|GET /2010-04-01/Accounts/{sid}/Messages.json`, `GET .../Messages/{sid}.json`,
`POST .../Calls.json`, `GET .../Calls/{sid}.json`; HTTP Basic with sid and token, forms in, JSON
out. For people and tests, on loopback only: `/phones`, `/phones/{number}`,
`/phones/{number}/messages`, `/phones/{number}/calls/{sid}/answer|digits|hangup`, `/faults`,
`/webhooks`, `/events?after=N`.
"""

import asyncio
import base64
import binascii
import hmac
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from simulator.phone_company.answers import API, call_json, error_json, message_json
from simulator.phone_company.exchange import Exchange
from simulator.phone_company.numbers import is_e164
from simulator.phone_company.records import Call, Faults, Message, Phone

Handler = Callable[[Request], Awaitable[Response]]
PAGE_SIZE = 50


def _error(code: int) -> Response:
    status, body = error_json(code)
    return JSONResponse(body, status)


def _plain_error(status: int, message: str) -> Response:
    return JSONResponse({"message": message}, status)


async def _form(request: Request) -> list[tuple[str, str]]:
    return parse_qsl((await request.body()).decode(), keep_blank_values=True)


def message_view(message: Message) -> dict[str, Any]:
    """Return a message as a handset shows it."""
    return {
        "sid": message.sid,
        "at": message.created.isoformat(),
        "incoming": message.direction != "inbound",
        "body": message.body,
        "status": message.status,
    }


def call_view(call: Call) -> dict[str, Any]:
    """Return a call as a handset shows it."""
    return {
        "sid": call.sid,
        "at": call.created.isoformat(),
        "status": call.status,
        "said": call.said,
        "digits": call.digits,
        "listening": call.listening,
    }


def phone_view(phone: Phone) -> dict[str, Any]:
    """Return a handset with its inbox and call log."""
    return {
        "number": phone.number,
        "name": phone.name,
        "auto_verify": phone.auto_verify,
        "answer_after_s": phone.answer_after_s,
        "reachable": phone.reachable,
        "stopped": phone.stopped,
        "messages": [message_view(message) for message in phone.messages],
        "calls": [call_view(call) for call in phone.calls],
    }


def _when(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _matching(message: Message, filters: list[tuple[str, str]]) -> bool:
    # `DateSent>=x` in a URL reads as the parameter `DateSent>` with the value x.
    sent = message.sent or message.created
    for name, value in filters:
        match name:
            case "To" if message.to != value:
                return False
            case "From" if message.sender != value:
                return False
            case "DateSent>" | "DateSent>=" if sent < _when(value):
                return False
            case "DateSent<" | "DateSent<=" if sent > _when(value):
                return False
            case "DateSent" if sent.date() != _when(value).date():
                return False
            case _:
                continue
    return True


class Api:
    """The handlers; `exchange` does the work."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange

    def account_only(self, handler: Handler) -> Handler:
        """Return `handler` behind HTTP Basic and the faults that hit every request."""

        async def guarded(request: Request) -> Response:
            if self.exchange.faults.offline:
                return _error(20503)
            if not self._authentic(request):
                return _error(20003)
            if request.path_params["account"] != self.exchange.account.sid:
                return _error(20404)
            answer = await handler(request)
            if self.exchange.faults.slow_s:
                await asyncio.sleep(self.exchange.faults.slow_s)
            return answer

        return guarded

    def _authentic(self, request: Request) -> bool:
        scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "basic":
            return False
        try:
            given = base64.b64decode(encoded, validate=True)
        except binascii.Error:
            return False
        account = self.exchange.account
        return hmac.compare_digest(given, f"{account.sid}:{account.token}".encode())

    def _addressing_error(self, fields: dict[str, str]) -> int | None:
        if not is_e164(fields.get("To", "")):
            return 21211
        if not is_e164(fields.get("From", "")):
            return 21212
        if fields["From"] != self.exchange.account.number:
            return 21606
        return None

    async def create_message(self, request: Request) -> Response:
        """POST Messages.json."""
        fields = dict(await _form(request))
        if self.exchange.faults.strikes("refuse_429"):
            return _error(20429)
        if (code := self._addressing_error(fields)) is not None:
            return _error(code)
        if not fields.get("Body"):
            return _error(21602)
        if self.exchange.phone(fields["To"]).stopped:
            return _error(21610)
        callback = fields.get("StatusCallback")
        report = None if callback is None else self.exchange.reports_to(callback)
        message = self.exchange.accept_message(fields["To"], fields["Body"], report)
        if self.exchange.faults.strikes("error_after_accept"):
            return _error(20500)
        return JSONResponse(message_json(message), 201)

    async def list_messages(self, request: Request) -> Response:
        """GET Messages.json with To, From and DateSent; newest first."""
        filters = request.query_params.multi_items()
        try:
            size = int(request.query_params.get("PageSize", PAGE_SIZE))
            page = int(request.query_params.get("Page", 0))
            found = [m for m in self.exchange.messages.values() if _matching(m, filters)]
        except ValueError:
            return _plain_error(400, "a parameter is not understood")
        found.sort(key=lambda m: m.sent or m.created, reverse=True)
        path = request.url.path
        first = page * size
        more = first + size < len(found)
        return JSONResponse(
            {
                "messages": [message_json(m) for m in found[first : first + size]],
                "page": page,
                "page_size": size,
                "start": first,
                "end": min(first + size, len(found)) - 1,
                "uri": f"{path}?{request.url.query}",
                "first_page_uri": f"{path}?PageSize={size}&Page=0",
                "next_page_uri": f"{path}?PageSize={size}&Page={page + 1}" if more else None,
                "previous_page_uri": None,
            }
        )

    async def read_message(self, request: Request) -> Response:
        """GET Messages/{sid}.json."""
        message = self.exchange.messages.get(request.path_params["sid"])
        return _error(20404) if message is None else JSONResponse(message_json(message))

    async def create_call(self, request: Request) -> Response:
        """POST Calls.json."""
        form = await _form(request)
        fields = dict(form)
        if self.exchange.faults.strikes("refuse_429"):
            return _error(20429)
        if (code := self._addressing_error(fields)) is not None:
            return _error(code)
        if not fields.get("Twiml") and urlsplit(fields.get("Url", "")).scheme not in (
            "http",
            "https",
        ):
            return _error(21205)
        named = " ".join(value for name, value in form if name == "StatusCallbackEvent")
        call = self.exchange.calling.accept(fields["To"], fields, tuple(named.split()))
        if self.exchange.faults.strikes("error_after_accept"):
            return _error(20500)
        return JSONResponse(call_json(call), 201)

    async def read_call(self, request: Request) -> Response:
        """GET Calls/{sid}.json."""
        call = self.exchange.calling.calls.get(request.path_params["sid"])
        return _error(20404) if call is None else JSONResponse(call_json(call))

    async def list_calls(self, request: Request) -> Response:
        """GET Calls.json with To; newest first."""
        to = request.query_params.get("To")
        found = [c for c in self.exchange.calling.calls.values() if to is None or c.to == to]
        found.sort(key=lambda c: c.created, reverse=True)
        return JSONResponse({"calls": [call_json(call) for call in found]})

    async def phones(self, request: Request) -> Response:
        """GET /phones."""
        return JSONResponse([phone_view(phone) for phone in self.exchange.phones.values()])

    async def phone(self, request: Request) -> Response:
        """GET or PUT /phones/{number}; PUT makes the phone and sets its switches."""
        number = request.path_params["number"]
        if request.method == "PUT":
            if not is_e164(number):
                return _plain_error(400, "not a phone number")
            body = orjson.loads(await request.body())
            phone = self.exchange.phone(number)
            for name in ("name", "auto_verify", "answer_after_s", "reachable"):
                if name in body:
                    setattr(phone, name, body[name])
            return JSONResponse(phone_view(phone))
        known = self.exchange.phones.get(number)
        return (
            _plain_error(404, "no such phone") if known is None else JSONResponse(phone_view(known))
        )

    async def send(self, request: Request) -> Response:
        """POST /phones/{number}/messages {"body": ...}: the person sends a message."""
        phone = self.exchange.phones.get(request.path_params["number"])
        if phone is None:
            return _plain_error(404, "no such phone")
        body = orjson.loads(await request.body()).get("body")
        if not isinstance(body, str) or not body.strip():
            return _plain_error(400, "`body` is what to send")
        message = await self.exchange.send_from_phone(phone, body.strip())
        return JSONResponse(message_view(message), 201)

    async def handle_call(self, request: Request) -> Response:
        """POST /phones/{number}/calls/{sid}/answer|digits|hangup."""
        call = self.exchange.calling.calls.get(request.path_params["sid"])
        if call is None or call.to != request.path_params["number"]:
            return _plain_error(404, "no such call")
        match request.path_params["act"]:
            case "answer":
                done = self.exchange.calling.answer(call)
            case "hangup":
                done = self.exchange.calling.hang_up(call)
            case "digits":
                digits = str(orjson.loads(await request.body()).get("digits", ""))
                if not digits or not set(digits) <= set("0123456789*#"):
                    return _plain_error(400, "`digits` are 0-9, * and #")
                done = self.exchange.calling.press(call, digits)
            case _:
                return _plain_error(404, "no such act")
        return JSONResponse(call_view(call)) if done else _plain_error(409, "not possible now")

    async def faults(self, request: Request) -> Response:
        """GET or PUT /faults; PUT replaces all switches."""
        if request.method == "PUT":
            try:
                self.exchange.faults = Faults(**orjson.loads(await request.body()))
            except TypeError as error:
                return _plain_error(400, str(error))
        return JSONResponse(asdict(self.exchange.faults))

    async def webhooks(self, request: Request) -> Response:
        """PUT /webhooks {"sms": url}: where incoming messages go."""
        self.exchange.inbound_url = orjson.loads(await request.body()).get("sms")
        return JSONResponse({"sms": self.exchange.inbound_url})

    async def events(self, request: Request) -> Response:
        """GET /events?after=N."""
        after = int(request.query_params.get("after", "0"))
        return JSONResponse(
            [
                {"number": e.number, "at": e.at.isoformat(), "kind": e.kind, **e.detail}
                for e in self.exchange.events.after(after)
            ]
        )


def application(exchange: Exchange) -> Starlette:
    """Return the ASGI application of one phone company."""
    api = Api(exchange)
    base = f"/{API}/Accounts/{{account}}"

    @asynccontextmanager
    async def lifespan(_: Starlette) -> Any:
        yield
        await exchange.close()

    return Starlette(
        lifespan=lifespan,
        routes=[
            Route(f"{base}/Messages.json", api.account_only(api.create_message), methods=["POST"]),
            Route(f"{base}/Messages.json", api.account_only(api.list_messages)),
            Route(f"{base}/Messages/{{sid}}.json", api.account_only(api.read_message)),
            Route(f"{base}/Calls.json", api.account_only(api.create_call), methods=["POST"]),
            Route(f"{base}/Calls.json", api.account_only(api.list_calls)),
            Route(f"{base}/Calls/{{sid}}.json", api.account_only(api.read_call)),
            Route("/phones", api.phones),
            Route("/phones/{number}", api.phone, methods=["GET", "PUT"]),
            Route("/phones/{number}/messages", api.send, methods=["POST"]),
            Route("/phones/{number}/calls/{sid}/{act}", api.handle_call, methods=["POST"]),
            Route("/faults", api.faults, methods=["GET", "PUT"]),
            Route("/webhooks", api.webhooks, methods=["PUT"]),
            Route("/events", api.events),
        ],
    )
