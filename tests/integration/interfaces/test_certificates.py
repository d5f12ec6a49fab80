"""TLS with client certificates: who is who by a certificate, and which certificates open nothing."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from adapters.hl7v2 import sites
from tests.integration.ingest.test_ingest import Home, clock, home, witness
from tests.integration.interfaces.interface import code, opened, snapshot
from tests.integration.interfaces.secured import guarded, secured

__all__ = ["clock", "home", "witness"]  # fixtures are found by their names here
TWO = sites.load([("site.yaml", b"""
unknown: refuse
senders:
  - {name: ward, match: {certificate: CN=engine-1}}
  - {name: laboratory, match: {certificate: CN=engine-2}, units: {furlong: "mm[Hg]"}}
""")])  # fmt: skip
IN_FURLONGS = snapshot("m-1").replace(b"mm[Hg]^mm[Hg]^UCUM", b"furlong")


async def test_the_certificate_says_which_sender_it_is(home: Home, tmp_path: Path) -> None:
    authority = trustme.CA()
    async with opened(home, site=TWO) as interface, guarded(interface, authority, tmp_path) as door:
        ward = await secured(door, authority, of=authority, name="engine-1")
        laboratory = await secured(door, authority, of=authority, name="engine-2")
        # The same words and the same control id: of two senders they are two messages, each by its own agreement.
        assert code(await ward.send(IN_FURLONGS)) == ("CA", "m-1")
        assert await home.observations() == []
        assert code(await laboratory.send(IN_FURLONGS)) == ("CA", "m-1")
        assert len(await home.observations()) == 1
        async with home.record.transaction(1) as tx:
            rows = await tx.execute(
                "SELECT split_part(sender, '|', 1), outcome FROM hl7_message ORDER BY 1"
            )
        assert rows == [("laboratory", "accepted"), ("ward", "partly")]
        stranger = await secured(door, authority, of=authority, name="engine-3")
        assert code(await stranger.send(snapshot("m-2"))) == ("CR", "m-2")
        for one in (ward, laboratory, stranger):
            await one.close()


@pytest.mark.parametrize("why", ["expired", "not-yet", "of-somebody-else", "none"])
async def test_a_certificate_that_does_not_hold_opens_nothing(
    home: Home, tmp_path: Path, why: str
) -> None:
    authority, now = trustme.CA(), datetime.now(UTC)
    validity = {
        "expired": {"not_before": now - timedelta(days=9), "not_after": now - timedelta(days=1)},
        "not-yet": {"not_before": now + timedelta(days=1), "not_after": now + timedelta(days=9)},
    }
    issuer = {"of-somebody-else": trustme.CA(), "none": None}.get(why, authority)
    async with opened(home, site=TWO) as interface, guarded(interface, authority, tmp_path) as door:
        sender = await secured(door, authority, of=issuer, name="engine-1", **validity.get(why, {}))
        with pytest.raises((OSError, EOFError)):
            await sender.send(snapshot("m-1"))
        sender.writer.close()
        assert await interface.messages() == []
        holder = await secured(door, authority, of=authority, name="engine-1")
        assert code(await holder.send(snapshot("m-1"))) == ("CA", "m-1")
        await holder.close()
