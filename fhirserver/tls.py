"""The server's side of TLS: version 1.2 or newer, and a certificate that may be renewed while it is in use.

Spec: https://www.rfc-editor.org/rfc/rfc9325
"""

import asyncio
import ssl
from pathlib import Path
from typing import Final

import structlog

from fhirserver.settings import Settings, SettingsError

log = structlog.get_logger(__name__)

_LOOK_SECONDS: Final = 60.0
# AES-GCM and ChaCha20 with a key nobody can work out later; TLS 1.3 has nothing else anyway.
_CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"


def server_context(certificate: str, key: str) -> ssl.SSLContext:
    """Return what shows the chain in the file `certificate`. Raises `SettingsError` when the files do not fit."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    context.set_alpn_protocols(["http/1.1"])
    load(context, certificate, key)
    return context


def load(context: ssl.SSLContext, certificate: str, key: str) -> None:
    """Have new connections of `context` shown what the files hold now. Raises `SettingsError`."""
    try:
        context.load_cert_chain(certificate, key, password=_no_passphrase)
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"TLS_CERT {certificate} and TLS_KEY {key} cannot be used: give a certificate chain and its key, both "
            "PEM, the key without a passphrase."
        ) from error


def of(settings: Settings) -> ssl.SSLContext | None:
    """Return the HTTP server's context, None where it speaks plain HTTP. Raises `SettingsError`."""
    if not settings.tls_certificate:
        return None
    return server_context(settings.tls_certificate, settings.tls_key)


async def follow(context: ssl.SSLContext | None, settings: Settings) -> None:
    """Load the files again whenever they have changed, until cancelled; a bad renewal leaves the old one in use."""
    if context is None:
        return
    certificate, key = settings.tls_certificate, settings.tls_key
    seen = _changed(certificate, key)
    while True:
        await asyncio.sleep(_LOOK_SECONDS)
        found = _changed(certificate, key)
        if found == seen:
            continue
        seen = found
        try:
            load(context, certificate, key)
            log.info("certificate renewed")
        except SettingsError as error:
            log.warning("renewed certificate cannot be used", reason=str(error))


def _changed(*files: str) -> list[tuple[int, int]]:
    stats = [Path(file).stat() for file in files if Path(file).exists()]
    return [(one.st_mtime_ns, one.st_size) for one in stats]


def local_context(settings: Settings) -> ssl.SSLContext | bool:
    """Return what a client on this machine checks its own server's certificate by: that it is the one of TLS_CERT.

    The certificate names the public host, not this machine, and its issuer may be unknown here.
    """
    if not settings.tls_certificate:
        return True
    context = ssl.create_default_context(cafile=settings.tls_certificate)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def _no_passphrase() -> str:
    # Without this OpenSSL would ask the terminal and wait.
    return ""
