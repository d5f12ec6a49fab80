"""Answers to browsers: pages with the headers that keep them to themselves, redirects, cookies.

Spec: https://www.w3.org/TR/CSP3/, https://httpwg.org/http-extensions/draft-ietf-httpbis-rfc6265bis.html
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final
from urllib.parse import urlsplit

from starlette.responses import Response

from fhirserver.accounts.html import document
from fhirserver.accounts.texts import Language

STYLE: Final = "/auth/pages.css"
SCRIPT: Final = "/auth/passkey.js"
_HTML: Final = "text/html; charset=utf-8"


def page(
    language: Language,
    title: str,
    *children: str,
    status: int = 200,
    scripted: bool = False,
    leads_to: str = "",
    refresh: tuple[int, str] | None = None,
) -> Response:
    """Return a page of ours.

    `scripted` ones load the script for passkeys. `leads_to` is the URL of another server that a form's answer may
    redirect to: browsers apply ``form-action`` to it. `refresh` is (seconds, path): where the browser goes by itself.
    """
    policy = [
        "default-src 'none'",
        "style-src 'self'",
        f"form-action 'self'{_source(leads_to)}",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    ]
    if scripted:
        policy.append("script-src 'self'")
    headers = {
        "Content-Language": language,
        "Content-Security-Policy": "; ".join(policy),
        "X-Robots-Tag": "noindex",
    }
    if refresh is not None:
        headers["Refresh"] = f"{refresh[0]}; url={refresh[1]}"
    html = document(language, title, STYLE, *children, script=SCRIPT if scripted else "")
    return Response(html, status, headers=_private(headers), media_type=_HTML)


def redirect(path: str) -> Response:
    """Return an answer that sends the browser to `path` with GET."""
    return Response(status_code=303, headers=_private({"Location": path}))


def file(content: bytes, media_type: str) -> Response:
    """Return a file of the pages."""
    headers = {"Cache-Control": "public, max-age=3600", "X-Content-Type-Options": "nosniff"}
    return Response(content, headers=headers, media_type=media_type)


def set_cookie(answer: Response, name: str, value: str, *, secure: bool) -> Response:
    """Let the browser keep `value` until it is closed, out of reach of scripts and of requests of other sites."""
    answer.set_cookie(
        cookie_name(name, secure=secure),
        value,
        path="/",
        secure=secure,
        httponly=True,
        samesite="lax",
    )
    return answer


def drop_cookie(answer: Response, name: str, *, secure: bool) -> Response:
    """Let the browser forget a cookie."""
    answer.delete_cookie(
        cookie_name(name, secure=secure), path="/", secure=secure, httponly=True, samesite="lax"
    )
    return answer


def cookie_name(name: str, *, secure: bool) -> str:
    """Return the name a cookie has: under https one that no other host can have set."""
    return f"__Host-{name}" if secure else name


def own_path(text: str, otherwise: str) -> str:
    """Return `text` when it is a path of ours that a browser may be sent to, `otherwise` when not."""
    plain = text.isascii() and text.isprintable() and "\\" not in text and " " not in text
    return (
        text
        if plain and text.startswith("/auth/") and "//" not in text.partition("?")[0]
        else otherwise
    )


def seconds(span: timedelta) -> int:
    """Return `span` in whole seconds."""
    return int(span.total_seconds())


def languages(headers: Mapping[str, str]) -> str:
    """Return the Accept-Language header, "" when there is none."""
    return headers.get("accept-language", "")


def _source(url: str) -> str:
    """Return the source expression of the origin of `url`, or of its scheme where that has no origin (apps)."""
    parts = urlsplit(url)
    if parts.scheme in ("http", "https") and parts.netloc:
        return f" {parts.scheme}://{parts.netloc}"
    return f" {parts.scheme}:" if parts.scheme else ""


def _private(headers: Mapping[str, str]) -> dict[str, str]:
    return {
        **headers,
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }
