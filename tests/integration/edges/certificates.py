"""Certificates of a test: an authority, a server's chain and key as files."""

import ssl
from dataclasses import dataclass
from pathlib import Path

import trustme


@dataclass(frozen=True, slots=True)
class Certificate:
    """Files of a server, and the context of a client that trusts its authority."""

    chain: str
    key: str
    client: ssl.SSLContext


def certificate(directory: Path, name: str = "server") -> Certificate:
    """Write a fresh certificate for this machine into `directory`."""
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1", "localhost")
    chain, key = directory / f"{name}.pem", directory / f"{name}.key"
    chain.write_bytes(b"".join(part.bytes() for part in issued.cert_chain_pems))
    issued.private_key_pem.write_to_path(key)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    return Certificate(str(chain), str(key), client)


def only(version: ssl.TLSVersion, trusting: ssl.SSLContext) -> ssl.SSLContext:
    """Let the client `trusting` offer nothing but `version`."""
    # Old versions need weak ciphers, which the client must want for the server to be what refuses.
    trusting.set_ciphers("DEFAULT:@SECLEVEL=0")
    trusting.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    trusting.maximum_version = version
    trusting.minimum_version = version
    return trusting
