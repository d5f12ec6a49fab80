"""The telephone company's webhooks.

``POST {public}/telephony/{tenant}/sms`` (a person wrote), ``.../status?attempt=`` (what became of a
message or call), ``.../voice/{attempt}`` (a key was pressed). Each is a form POST proven by
X-Twilio-Signature over the public URL; anything unproven is answered 403 and changes nothing. The
first is set up by hand and names the tenant; the URLs of the others we make ourselves, they carry
the tenant's number. The answers to people are TwiML.
"""

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Final
from uuid import UUID

import structlog
from starlette.requests import Request
from starlette.responses import Response as HttpResponse
from starlette.routing import Route

from fhirserver.kernel.errors import Conflict, Unavailable
from subscriptions.core import twiml
from subscriptions.core.message import (
    AnswerText,
    answer_text,
    card_speech,
    key_speech,
    language_of,
)
from subscriptions.core.webhook_signature import is_genuine
from subscriptions.response.response import Response
from subscriptions.response.spoken_card import spoken_card
from subscriptions.rest.forms import read_form
from subscriptions.store import attempt_rows, cursor_rows
from subscriptions.worker.ports import Transactions

_TRIES: Final = 3
_NUMBER: Final = re.compile("[0-9]{1,9}")
_log = structlog.get_logger("telephony")
Fields = dict[str, str]
Act = Callable[[Request, int, Fields], Awaitable[HttpResponse]]


class Webhooks:
    """The handlers. `tenant_of` returns the number of the tenant in the path, None for no such."""

    def __init__(
        self,
        *,
        response: Response,
        transactions: Transactions,
        public_url: str,
        tokens: Sequence[str],
        tenant_of: Callable[[str], int | None],
    ) -> None:
        """Accept signatures made with any of `tokens` (two while one is being replaced)."""
        self._response = response
        self._transactions = transactions
        self._public_url = public_url.rstrip("/")
        self._tokens = tuple(token for token in tokens if token)
        self._tenant_of = tenant_of

    def genuine(self, act: Act) -> Callable[[Request], Awaitable[HttpResponse]]:
        """Return a handler that runs `act` for proven requests only."""

        async def handle(request: Request) -> HttpResponse:
            tenant = self._tenant(request.path_params["tenant"])
            fields = await read_form(request)
            if fields is None:
                return HttpResponse(status_code=413)
            given = request.headers.get("X-Twilio-Signature", "")
            if tenant is None or not is_genuine(given, self._tokens, self._url(request), fields):
                _log.warning("webhook refused", path=request.scope["path"].split("/")[-1][:16])
                return HttpResponse(status_code=403)
            return await self._tried(act, request, tenant, dict(fields))

        return handle

    def _tenant(self, text: str) -> int | None:
        named = self._tenant_of(text)
        return int(text) if named is None and _NUMBER.fullmatch(text) else named

    async def _tried(self, act: Act, request: Request, tenant: int, fields: Fields) -> HttpResponse:
        """Run `act`, again when a concurrent change won: the company would not always ask twice."""
        for _ in range(_TRIES - 1):
            try:
                return await act(request, tenant, fields)
            except Conflict:
                continue
        try:
            return await act(request, tenant, fields)
        except (Conflict, Unavailable):
            return HttpResponse(status_code=503)

    def _url(self, request: Request) -> str:
        query = request.scope["query_string"].decode("latin-1")
        path = request.scope.get("raw_path", request.scope["path"].encode()).decode("latin-1")
        return f"{self._public_url}{path.partition('?')[0]}{'?' + query if query else ''}"

    async def sms(self, request: Request, tenant: int, fields: Fields) -> HttpResponse:
        """A person sent a text message."""
        message = fields.get("MessageSid") or fields.get("SmsSid")
        sender, body = fields.get("From"), fields.get("Body")
        if not message or not sender or body is None:
            return HttpResponse(status_code=400)
        async with self._transactions(tenant) as tx:
            answer = await self._response.handle_reply(tx, sender, body, message)
        return _xml(twiml.message(answer))

    async def status(self, request: Request, tenant: int, fields: Fields) -> HttpResponse:
        """The company reports what became of a message or call."""
        attempt = _uuid(request.query_params.get("attempt", ""))
        status = fields.get("MessageStatus") or fields.get("CallStatus")
        if attempt is None or not status:
            return HttpResponse(status_code=400)
        async with self._transactions(tenant) as tx:
            await self._response.receipts.received(
                tx,
                attempt,
                status,
                error=fields.get("ErrorCode"),
                reference=fields.get("MessageSid") or fields.get("CallSid"),
            )
        return HttpResponse(status_code=204)

    async def voice(self, request: Request, tenant: int, fields: Fields) -> HttpResponse:
        """A key was pressed during a call; ``?menu=card`` stands in calls that ask for help."""
        attempt_id = _uuid(request.path_params["attempt"])
        digits = fields.get("Digits", "")
        answer = twiml.KEYS.get(digits)
        has_card = request.query_params.get("menu") == twiml.CARD_MENU
        async with self._transactions(tenant) as tx:
            attempt = None if attempt_id is None else await attempt_rows.find(tx, attempt_id)
            if attempt is None or attempt.medium != "voice":
                return HttpResponse(status_code=404)
            language = language_of(await cursor_rows.language(tx, attempt.subscription))
            if has_card and digits == twiml.CARD_KEY:
                parts = await spoken_card(tx, attempt)
                if parts is None:
                    return _xml(twiml.say(answer_text("ended", language, None), language))
                keys = key_speech("emergency", "partner", language)
                spoken = card_speech(parts, language)
                return _xml(twiml.say_and_ask(spoken, keys, self._url(request), language))
            if answer is None:
                return _xml(twiml.say(answer_text("unclear", language, None), language))
            said: AnswerText = "answered"
            if await attempt_rows.answer_once(tx, attempt.id, answer):
                said = await self._response.replies.pressed(tx, attempt, answer)
        return _xml(twiml.say(answer_text(said, language, ""), language))


def routes(
    *,
    response: Response,
    transactions: Transactions,
    public_url: str,
    tokens: Sequence[str],
    tenant_of: Callable[[str], int | None],
) -> list[Route]:
    """Return the webhooks as routes below ``/telephony``."""
    hooks = Webhooks(
        response=response,
        transactions=transactions,
        public_url=public_url,
        tokens=tokens,
        tenant_of=tenant_of,
    )
    base = "/telephony/{tenant}"
    return [
        Route(f"{base}/sms", hooks.genuine(hooks.sms), methods=["POST"]),
        Route(f"{base}/status", hooks.genuine(hooks.status), methods=["POST"]),
        Route(f"{base}/voice/{{attempt}}", hooks.genuine(hooks.voice), methods=["POST"]),
    ]


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _xml(document: str) -> HttpResponse:
    return HttpResponse(document, media_type="text/xml; charset=utf-8")
