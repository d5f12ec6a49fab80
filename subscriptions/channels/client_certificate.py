"""The certificate we show receivers who ask who calls (mutual TLS); it may be renewed while it is in use.

Spec: https://www.rfc-editor.org/rfc/rfc8446#section-4.4.2; IHE ITI TF-2, ITI-19 Authenticate Node.
"""

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path

import structlog

from subscriptions.channels.egress import trusting

_log = structlog.get_logger("delivery")


class BadCertificate(Exception):
    """The files do not hold a certificate chain and its key; the message says which."""


class ClientCertificate:
    """A certificate chain and its key in files (PEM, the key without a passphrase)."""

    def __init__(
        self, chain: str, key: str, judge: Callable[[], ssl.SSLContext] = trusting
    ) -> None:
        """`judge` makes what judges the certificates of receivers. Raises `BadCertificate`."""
        self._chain, self._key = chain, key
        self._judge = judge
        self._seen = self._changed()
        self._context = self._made()

    async def context(self) -> ssl.SSLContext:
        """Return what connections are made with: it shows what the files hold now, or held before a bad renewal."""
        found = self._changed()
        if found != self._seen:
            self._seen = found
            try:
                self._context = await asyncio.to_thread(self._made)
                _log.info("client certificate renewed")
            except BadCertificate as problem:
                _log.warning("renewed client certificate cannot be used", reason=str(problem))
        return self._context

    def _made(self) -> ssl.SSLContext:
        context = self._judge()
        try:
            context.load_cert_chain(self._chain, self._key, password=_no_passphrase)
        except (OSError, ValueError) as problem:
            raise BadCertificate(
                f"{self._chain} and {self._key} cannot be used: give a certificate chain and its key, both PEM, the "
                "key without a passphrase."
            ) from problem
        return context

    def _changed(self) -> list[tuple[int, int]]:
        stats = [Path(one).stat() for one in (self._chain, self._key) if Path(one).exists()]
        return [(one.st_mtime_ns, one.st_size) for one in stats]


def _no_passphrase() -> str:
    # Without this OpenSSL would ask the terminal and wait.
    return ""
