"""The app of `apps/`, served at ``/app`` as the build left it, or a page that says how to build it.

The app is one client among others: it gets nothing here but its files, and asks for a token like every other app. Whatever
it may load or call is this server (Content-Security-Policy); a server elsewhere needs a copy of the app of its own.

Spec: https://www.w3.org/TR/CSP3/
"""

import mimetypes
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import (
    FileResponse,
    HTMLResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
)
from starlette.routing import BaseRoute, Route

AT: Final = "/app"
# Where `make app` puts it, in a checkout.
BUILT: Final = Path(__file__).resolve().parents[2] / "apps" / "dist"

_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "font-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# The names of these hold a digest of their content.
_NAMED_BY_CONTENT: Final = "assets"
_FOR_A_YEAR: Final = "public, max-age=31536000, immutable"
_ASKED_AGAIN: Final = "no-cache"
_MISSING: Final = """<!doctype html><html lang="en"><meta charset="utf-8"><title>The app is not built</title>
<h1>The app is not built</h1>
<p>This server runs, and its alarms reach people, without it. To have the app here, run <code>make app</code> where the
server was installed from (it needs npm, or gets Node as a Python package), or name the directory of a build with the
setting <code>APP_DIRECTORY</code>. Then load this page again.</p></html>"""


def app_pages(directory: str, public_url: str) -> Sequence[BaseRoute]:
    """Return the routes of the app built in `directory`, that of the checkout where it is empty.

    `public_url` is where people reach this server. What is not there yet is looked for at each request.
    """
    pages = _Pages(Path(directory) if directory else BUILT, public_url.rstrip("/"))
    return (
        Route(AT, pages.door, include_in_schema=False),
        Route(AT + "/{path:path}", pages.file, include_in_schema=False),
    )


class _Pages:
    def __init__(self, directory: Path, public_url: str) -> None:
        self._directory = directory.resolve()
        self._public_url = public_url

    def door(self, _request: Request) -> Response:
        return RedirectResponse(f"{self._public_url}{AT}/", status_code=307)

    def file(self, request: Request) -> Response:
        name = request.path_params["path"] or "index.html"
        path = (self._directory / name).resolve()
        if not (self._directory / "index.html").is_file():
            return HTMLResponse(_MISSING, 503)
        if not path.is_relative_to(self._directory) or not path.is_file() or path.suffix == ".gz":
            return PlainTextResponse("There is no such file of the app.", 404)
        headers = {
            "cache-control": _FOR_A_YEAR if path.parent.name == _NAMED_BY_CONTENT else _ASKED_AGAIN,
            "content-security-policy": _POLICY,
        }
        packed = path.with_name(path.name + ".gz")
        if "gzip" in request.headers.get("accept-encoding", "") and packed.is_file():
            headers["content-encoding"] = "gzip"
            headers["vary"] = "accept-encoding"
            return FileResponse(packed, media_type=_media_type(path), headers=headers)
        return FileResponse(path, media_type=_media_type(path), headers=headers)


def _media_type(path: Path) -> str:
    found = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return f"{found}; charset=utf-8" if found.startswith("text/") else found
