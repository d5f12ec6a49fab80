"""https by our own certificate: which versions are spoken, a renewal, and what a proxy in front may say."""

import asyncio
import socket
import ssl
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from fhirserver import tls
from fhirserver.http_server import http_server
from fhirserver.rest.doors import address_of
from fhirserver.settings import Settings, SettingsError
from tests.integration.edges.certificates import Certificate, certificate, only
from tests.patience import PATIENCE_SECONDS


async def _who(scope: Any, _receive: Any, send: Any) -> None:
    """Answer with the scheme and the address the application sees."""
    body = f"{scope['scheme']} {address_of(scope)}".encode()
    length = str(len(body)).encode()
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]}
    )
    await send({"type": "http.response.body", "body": body})


@asynccontextmanager
async def serving(
    context: ssl.SSLContext | None = None, proxies: tuple[str, ...] = ()
) -> AsyncIterator[int]:
    server = http_server(_who, tls=context, proxies=proxies)
    task = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event
        await asyncio.sleep(0.01)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        await task


def settings(files: Certificate) -> Settings:
    return replace(Settings(), tls_certificate=files.chain, tls_key=files.key)


def _spoken(port: int, client: ssl.SSLContext) -> str | None:
    with (
        socket.create_connection(("127.0.0.1", port)) as connection,
        client.wrap_socket(connection, server_hostname="127.0.0.1") as secured,
    ):
        return secured.version()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_tls_1_2_and_newer_are_spoken(tmp_path: Path, version: ssl.TLSVersion) -> None:
    files = certificate(tmp_path)
    async with serving(tls.of(settings(files))) as port:
        client = only(version, files.client)
        spoken = await asyncio.to_thread(_spoken, port, client)
        assert spoken == {771: "TLSv1.2", 772: "TLSv1.3"}[version]
        async with httpx.AsyncClient(
            verify=certificate_client(files), timeout=PATIENCE_SECONDS
        ) as browser:
            assert (await browser.get(f"https://127.0.0.1:{port}/")).text == "https 127.0.0.1"


def certificate_client(files: Certificate) -> ssl.SSLContext:
    return files.client


@pytest.mark.parametrize("version", ["TLSv1", "TLSv1_1"])
async def test_older_versions_are_refused(tmp_path: Path, version: str) -> None:
    files = certificate(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        old = only(getattr(ssl.TLSVersion, version), files.client)
    async with serving(tls.of(settings(files))) as port:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await asyncio.to_thread(_spoken, port, old)


async def test_plain_http_is_not_answered_where_https_is_spoken(tmp_path: Path) -> None:
    async with serving(tls.of(settings(certificate(tmp_path)))) as port, httpx.AsyncClient() as one:
        with pytest.raises(httpx.TransportError):
            await one.get(f"http://127.0.0.1:{port}/")


async def test_a_renewed_certificate_is_shown_to_new_connections(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tls, "_LOOK_SECONDS", 0.01)
    files = certificate(tmp_path)
    context = tls.of(settings(files))
    following = asyncio.create_task(tls.follow(context, settings(files)))
    async with serving(context) as port:
        await asyncio.to_thread(_spoken, port, files.client)
        renewed = certificate(tmp_path)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                try:
                    await asyncio.to_thread(_spoken, port, renewed.client)
                    break
                except ssl.SSLCertVerificationError:
                    await asyncio.sleep(0.01)
    following.cancel()


async def test_the_servers_own_processes_trust_its_certificate_and_no_other(
    tmp_path: Path,
) -> None:
    files, other = certificate(tmp_path), certificate(tmp_path, "other")
    async with serving(tls.of(settings(files))) as port:
        ours = tls.local_context(settings(files))
        async with httpx.AsyncClient(
            verify=ours, trust_env=False, timeout=PATIENCE_SECONDS
        ) as client:
            assert (await client.get(f"https://localhost:{port}/")).status_code == 200
        stranger = tls.local_context(settings(other))
        async with httpx.AsyncClient(verify=stranger, trust_env=False) as client:
            with pytest.raises(httpx.ConnectError):
                await client.get(f"https://localhost:{port}/")


def test_files_that_do_not_fit_stop_the_start(tmp_path: Path) -> None:
    first, second = certificate(tmp_path, "a"), certificate(tmp_path, "b")
    with pytest.raises(SettingsError, match="TLS_CERT"):
        tls.of(replace(Settings(), tls_certificate=first.chain, tls_key=second.key))


@pytest.mark.parametrize(
    ("proxies", "forwarded", "seen"),
    [
        ((), "192.0.2.7", "http 127.0.0.1"),
        (("10.0.0.0/8",), "192.0.2.7", "http 127.0.0.1"),
        (("127.0.0.1",), "192.0.2.7", "https 192.0.2.7"),
        (("127.0.0.0/8",), "192.0.2.7", "https 192.0.2.7"),
        # What the client itself wrote stands left of what the proxy added.
        (("127.0.0.1",), "203.0.113.9, 192.0.2.7", "https 192.0.2.7"),
    ],
    ids=["none", "another", "address", "network", "forged in front"],
)
async def test_forwarded_headers_count_from_configured_proxies_alone(
    proxies: tuple[str, ...], forwarded: str, seen: str
) -> None:
    headers = {"x-forwarded-for": forwarded, "x-forwarded-proto": "https"}
    async with (
        serving(proxies=proxies) as port,
        httpx.AsyncClient(trust_env=False, timeout=PATIENCE_SECONDS) as client,
    ):
        answer = await client.get(f"http://127.0.0.1:{port}/", headers=headers)
    assert answer.text == seen
