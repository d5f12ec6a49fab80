"""Rows of ``peer_link``: two for each pair of patients, one in the bucket of each."""

from collections.abc import Sequence
from uuid import uuid4

from fhirserver.kernel.ports import Transaction
from fhirserver.store.relationships import epoch


class PeerRows:
    """Implements `fhirserver.kernel.relationships.Peers`."""

    async def agree(self, tx: Transaction, one: str, other: str) -> None:
        """Let two patients (ids) see each other's alarms from now on."""
        link = uuid4()
        for patient, peer in sorted(((one, other), (other, one))):
            await tx.execute(
                "INSERT INTO peer_link (bucket, tenant, patient, peer, link, agreed) VALUES (%s, %s, %s, %s, %s, %s) "
                "ON CONFLICT (bucket, tenant, patient, peer) DO UPDATE SET link = excluded.link, "
                "agreed = excluded.agreed, ended = NULL, ended_by = NULL",
                (tx.bucket(patient, "", ""), tx.tenant, patient, peer, link, tx.now),
            )
        await epoch.move(tx)

    async def end(self, tx: Transaction, one: str, other: str, by: str) -> bool:
        """End it for both; False when there is nothing to end."""
        ended = 0
        for patient, peer in sorted(((one, other), (other, one))):
            gone = await tx.execute(
                "UPDATE peer_link SET ended = %s, ended_by = %s WHERE bucket = %s AND tenant = %s AND patient = %s "
                "AND peer = %s AND ended IS NULL RETURNING 1",
                (tx.now, by, tx.bucket(patient, "", ""), tx.tenant, patient, peer),
            )
            ended += len(gone)
        if ended:
            await epoch.move(tx)
        return bool(ended)

    async def of(self, tx: Transaction, patient: str) -> Sequence[str]:
        """Return the ids of who supports `patient` now."""
        rows = await tx.execute(
            "SELECT peer FROM peer_link WHERE bucket = %s AND tenant = %s AND patient = %s AND ended IS NULL "
            "ORDER BY peer",
            (tx.bucket(patient, "", ""), tx.tenant, patient),
        )
        return [peer for (peer,) in rows]
