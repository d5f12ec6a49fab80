"""A listener that only lets in holders of certificates, and senders with and without one."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trustme

from adapters.hl7v2.listener import Door, Listener
from fhirserver.hl7v2_side import tls_of
from fhirserver.settings import Settings
from tests.integration.interfaces.interface import OPEN, Interface, Sender
from tests.patience import PATIENCE_SECONDS


@asynccontextmanager
async def guarded(
    interface: Interface, authority: trustme.CA, folder: Path
) -> AsyncIterator[Listener]:
    """Listen for holders of certificates of `authority`, as the settings of a server say it."""
    ours = authority.issue_cert("127.0.0.1")
    chain, key, issuer = (folder / one for one in ("chain.pem", "key.pem", "ca.pem"))
    ours.private_key_pem.write_to_path(str(key))
    for blob in ours.cert_chain_pems:
        blob.write_to_path(str(chain), append=True)
    authority.cert_pem.write_to_path(str(issuer))
    settings = Settings.from_environment(
        {
            "TLS_CERT": str(chain),
            "TLS_KEY": str(key),
            "HL7_TLS": "client",
            "HL7_CLIENT_CA": str(issuer),
        }
    )
    listener = Listener(Door("127.0.0.1", 0, tls_of(settings), 5, 5), interface.intake, OPEN)
    await listener.start()
    try:
        yield listener
    finally:
        await listener.stop()


async def secured(
    listener: Listener,
    trusted: trustme.CA,
    *,
    of: trustme.CA | None = None,
    name: str = "",
    **validity: Any,
) -> Sender:
    """Connect, with a certificate of the authority `of` where one is given. It is judged when something is sent."""
    context = ssl.create_default_context()
    trusted.configure_trust(context)
    if of is not None:
        of.issue_cert(name, common_name=name, **validity).configure_cert(context)
    async with asyncio.timeout(PATIENCE_SECONDS):
        return Sender(*await asyncio.open_connection("127.0.0.1", listener.port, ssl=context))
