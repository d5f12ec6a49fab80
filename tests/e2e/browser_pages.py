"""A real browser (Debian's chromium, driven by Playwright), and apps of others in it on a page of their own.

What is missing on a machine is said in the reason for which tests are skipped.
"""

import shutil
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

_PATIENCE_MS = 120_000
LIBRARIES = Path(__file__).parents[2] / "build" / "browser"


def library(path: str) -> Path:
    """Return a file of others that pages load, ``fhirclient/build/...``; skips the test where it is not there."""
    found = LIBRARIES / path
    if not found.is_file():
        pytest.skip(f"{path.partition('/')[0]} is missing: run `make browser` (needs npm)")
    return found


def program() -> str:
    """Return where the browser is; skips the test where there is none."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("chromium is missing: apt-get install chromium")
    return chromium


@contextmanager
def browser() -> Iterator[Any]:
    """A fresh profile of a chromium; skips the test where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = program()
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(
            executable_path=chromium,
            # Containers give little shared memory, and no sandbox to root.
            args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
            timeout=_PATIENCE_MS,
        )
        try:
            context = opened.new_context()
            context.set_default_timeout(_PATIENCE_MS)
            yield context
        finally:
            opened.close()


@contextmanager
def site(files: Mapping[str, tuple[str, bytes]]) -> Iterator[str]:
    """Serve `files` (path to media type and content) on loopback; gives the origin, ``http://localhost:port``."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = files.get(urlsplit(self.path).path)
            self.send_response(404 if known is None else 200)
            media_type, content = known or ("text/plain", b"")
            self.send_header("Content-Type", media_type)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name of the base class
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://localhost:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
