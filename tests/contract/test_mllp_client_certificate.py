"""Receivers of HL7 v2 may ask who calls: the channel shows a certificate, also one renewed meanwhile."""

import os
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

from fhirserver.parts import _hl7_certificate
from fhirserver.settings import Settings, SettingsError
from subscriptions.channels.channel import Failure
from subscriptions.channels.client_certificate import BadCertificate, ClientCertificate
from subscriptions.channels.hl7v2 import HL7v2
from tests.contract.mllp_receiver import MllpReceiver, mllp_receiver
from tests.contract.receivers import certificate
from tests.contract.sending import NAME, ONLY_ONE, Stub, sending
from tests.contract.test_mllp_line import tell


@dataclass
class Ward:
    """A receiver that lets in holders of certificates of `authority`, and what a sender keeps in `folder`."""

    authority: trustme.CA
    folder: Path
    receiver: MllpReceiver

    def put(self, issuer: trustme.CA, name: str = "fhirserver") -> tuple[str, str]:
        """Lay down a certificate of `issuer`; return its files."""
        made = issuer.issue_cert(name)
        chain, key = self.folder / "chain.pem", self.folder / "key.pem"
        chain.unlink(missing_ok=True)
        for blob in made.cert_chain_pems:
            blob.write_to_path(str(chain), append=True)
        made.private_key_pem.write_to_path(str(key))
        return str(chain), str(key)

    def trusting(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        self.authority.configure_trust(context)
        return context

    async def tell(self, shown: ClientCertificate | None) -> Failure | None:
        """Tell the ward something over a connection of its own."""
        stub = Stub([["127.0.0.1"]])
        async with sending(ONLY_ONE, tls=self.trusting(), stub=stub) as egress:
            channel = HL7v2(egress, shown)
            try:
                return await tell(channel, f"mllps://{NAME}:{self.receiver.port}")
            finally:
                await channel.close()


@asynccontextmanager
async def ward(folder: Path) -> AsyncIterator[Ward]:
    authority = trustme.CA()
    context = certificate(authority, NAME)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    async with mllp_receiver(tls=context) as receiver:
        yield Ward(authority, folder, receiver)


async def test_a_receiver_that_asks_is_shown_the_certificate(tmp_path: Path) -> None:
    async with ward(tmp_path) as place:
        shown = ClientCertificate(*place.put(place.authority), place.trusting)
        assert await place.tell(shown) is None
        (writer,) = place.receiver.writers
        subject = dict(writer.get_extra_info("peercert")["subjectAltName"])
        assert subject == {"DNS": "fhirserver"}


@pytest.mark.parametrize("has_one", [False, True])
async def test_without_one_that_is_trusted_nothing_is_told(
    tmp_path: Path, *, has_one: bool
) -> None:
    async with ward(tmp_path) as place:
        files = place.put(trustme.CA())
        shown = ClientCertificate(*files, place.trusting) if has_one else None
        failure = await place.tell(shown)
        assert failure is not None
        assert failure.verdict == "try-again"
        assert place.receiver.got == []


async def test_a_renewed_certificate_is_shown_from_the_next_connection_on(tmp_path: Path) -> None:
    async with ward(tmp_path) as place:
        shown = ClientCertificate(*place.put(trustme.CA()), place.trusting)
        assert await place.tell(shown) is not None
        place.put(place.authority)
        os.utime(
            tmp_path / "chain.pem", ns=(1, 1)
        )  # whatever the grain of this file system's times
        assert await place.tell(shown) is None


async def test_a_bad_renewal_leaves_the_old_one_in_use(tmp_path: Path) -> None:
    async with ward(tmp_path) as place:
        shown = ClientCertificate(*place.put(place.authority), place.trusting)
        (tmp_path / "chain.pem").write_text("nonsense")
        assert await place.tell(shown) is None


def test_files_that_cannot_be_used_stop_the_start(tmp_path: Path) -> None:
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    for file in (chain, key):
        file.write_text("nonsense")
    settings = Settings.from_environment({"HL7_OUT_CERT": str(chain), "HL7_OUT_KEY": str(key)})
    with pytest.raises(SettingsError, match="HL7_OUT_CERT"):
        _hl7_certificate(settings)
    with pytest.raises(BadCertificate):
        ClientCertificate(settings.hl7_out_certificate, settings.hl7_out_key)


def test_without_files_nothing_is_shown() -> None:
    assert _hl7_certificate(Settings.from_environment({})) is None
