"""The page a text message's link opens: buttons that answer the alarm, and nothing about anybody.

``GET /a/{token}`` changes nothing, however often gateways and previews follow the link; the button's
``POST`` acts, each answer once. Who has the token has the message it came in (`core.page_link`).
"""

import base64
import hashlib
from html import escape
from typing import Final

from starlette.requests import Request
from starlette.responses import Response as HttpResponse
from starlette.routing import Route

from fhirserver.kernel.errors import Conflict, Unavailable
from fhirserver.kernel.ports import Transaction
from subscriptions.core import page_link
from subscriptions.core.care_team import audience
from subscriptions.core.ladder_state import Answer
from subscriptions.core.message import Language, answer_text, button_words, language_of
from subscriptions.core.timing import CODE_LIFETIME
from subscriptions.response.response import Response
from subscriptions.rest.forms import read_form
from subscriptions.store import attempt_rows, cursor_rows, ladder_rows, session_rows
from subscriptions.store.attempt_rows import AttemptRow
from subscriptions.worker.ports import Transactions

_ANSWERS: Final[tuple[Answer, ...]] = ("h", "y", "n", "a")
_SEEN_ONLY: Final[tuple[Answer, ...]] = ("a",)
_TRIES: Final = 3
_STYLE: Final = (
    "body{font:1.3em/1.5 sans-serif;margin:2em auto;max-width:22em;padding:0 1em}"
    "button{display:block;width:100%;font:inherit;padding:.9em;margin:0 0 1em;cursor:pointer}"
)
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self';"
        " frame-ancestors 'none'; base-uri 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
}


class AnswerPage:
    """The two handlers."""

    def __init__(self, response: Response, transactions: Transactions) -> None:
        """Answer through `response`."""
        self._response = response
        self._transactions = transactions

    async def show(self, request: Request) -> HttpResponse:
        """Show the buttons; changes nothing."""
        link = page_link.read(request.path_params["token"])
        if link is None:
            return _gone()
        tenant, _, _ = link
        async with self._transactions(tenant) as tx:
            attempt = await _attempt(tx, link)
            if attempt is None or attempt.incident is None:
                return _gone()
            language = await _language(tx, attempt)
            tested = await session_rows.is_tested(tx, attempt.patient, attempt.incident)
            is_open = tested or await ladder_rows.is_open(tx, attempt.incident)
        if not is_open:
            return _page(language, answer_text("ended", language, None))
        return _page(language, None, _SEEN_ONLY if tested else _answers(attempt))

    async def act(self, request: Request) -> HttpResponse:
        """Act on a button, once; a concurrent change that won is waited for."""
        fields = await read_form(request)
        link = page_link.read(request.path_params["token"])
        answer = next((a for a in _ANSWERS if fields and dict(fields).get("answer") == a), None)
        if link is None or answer is None:
            return _gone()
        for _ in range(_TRIES):
            try:
                return await self._acted(link, answer)
            except Conflict:
                continue
            except Unavailable:
                break
        return HttpResponse(status_code=503, headers=_HEADERS)

    async def _acted(self, link: page_link.Link, answer: Answer) -> HttpResponse:
        async with self._transactions(link[0]) as tx:
            attempt = await _attempt(tx, link)
            if attempt is None or answer not in _answers(attempt):
                return _gone()
            language = await _language(tx, attempt)
            if not await attempt_rows.answer_once(tx, attempt.id, answer):
                return _page(language, answer_text("answered", language, None))
            said = await self._response.replies.pressed(tx, attempt, answer)
        over = said in ("ended", "over", "tested", "test-declined")
        left = () if over else tuple(a for a in _answers(attempt) if a != answer)
        return _page(language, answer_text(said, language, ""), left)


def routes(*, response: Response, transactions: Transactions) -> list[Route]:
    """Return the page as routes below ``/a``."""
    page = AnswerPage(response, transactions)
    return [
        Route("/a/{token}", page.show, methods=["GET"]),
        Route("/a/{token}", page.act, methods=["POST"]),
    ]


async def _attempt(tx: Transaction, link: page_link.Link) -> AttemptRow | None:
    """Return the message a link belongs to; None for a link that is not ours, or too old."""
    tenant, id_, seal = link
    if tx.blind(page_link.PURPOSE, page_link.sealed_text(tenant, id_)) != seal:
        return None
    attempt = await attempt_rows.find(tx, id_)
    if attempt is None or attempt.medium != "sms" or attempt.incident is None:
        return None
    return attempt if tx.now - attempt.started < CODE_LIFETIME else None


async def _language(tx: Transaction, attempt: AttemptRow) -> Language:
    return language_of(await cursor_rows.language(tx, attempt.subscription))


def _answers(attempt: AttemptRow) -> tuple[Answer, ...]:
    is_patient = attempt.member is None or audience(attempt.member) == "patient"
    return _SEEN_ONLY if is_patient else _ANSWERS


def _gone() -> HttpResponse:
    both = " / ".join(answer_text("ended", language, None) for language in ("en", "es"))
    return _page("en", both, status=404)


def _page(
    language: Language, text: str | None, answers: tuple[Answer, ...] = (), status: int = 200
) -> HttpResponse:
    title, words = button_words(language)
    buttons = "".join(
        f'<button name="answer" value="{answer}">{escape(words[answer])}</button>'
        for answer in answers
    )
    said = "" if text is None else f"<p>{escape(text)}</p>"
    form = f'<form method="post">{buttons}</form>' if buttons else ""
    html = (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>"
        f"<body><h1>{escape(title)}</h1>{said}{form}</body></html>"
    )
    return HttpResponse(html, status, headers=_HEADERS, media_type="text/html; charset=utf-8")
