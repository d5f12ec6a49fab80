"""For whom a machine is in use: read from the rows that bind it (``device_binding``)."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final, LiteralString

from fhirserver.kernel import keys
from fhirserver.kernel.ports import Transaction
from fhirserver.relations.fhir_period import Bounds

# An end to the second is kept with all of that second: whoever begins in it takes over.
_A_SECOND: Final = timedelta(seconds=1)
# "mach": told apart by it from other locks of two numbers. Two machines with one hash wait for each other, which is no harm.
_LOCK: Final = 0x6D616368
_ASKING: Final[LiteralString] = "SELECT pg_advisory_xact_lock(%s::int, hashtext(%s))"


class MachineRows:
    """Implements `fhirserver.kernel.relationships.Machines`."""

    async def used_by(
        self, tx: Transaction, device: str, within: Bounds, but: str
    ) -> Sequence[str]:
        """Return the ids of the patients for whom it is in use at some time `within`; not by the statement `but`.

        Whoever asks for the same machine meanwhile waits until the transaction is over: two who ask at once would both
        find it free.
        """
        await tx.execute(_ASKING, (_LOCK, f"{tx.tenant}|{device}"))
        starts, ends = within
        rows = await tx.execute(
            "SELECT DISTINCT patient FROM device_binding WHERE bucket = %(bucket)s AND tenant = %(tenant)s "
            "AND device = %(device)s AND statement <> %(but)s "
            "AND (ends IS NULL OR %(starts)s::timestamptz IS NULL OR ends > %(starts)s::timestamptz + %(second)s) "
            "AND (starts IS NULL OR %(ends)s::timestamptz IS NULL OR starts < %(ends)s::timestamptz - %(second)s) "
            "ORDER BY patient",
            {
                "bucket": keys.bucket_of(tx.tenant, "Device", device),
                "tenant": tx.tenant,
                "device": device,
                "but": but,
                "starts": starts,
                "ends": ends,
                "second": _A_SECOND,
            },
        )
        return [patient for (patient,) in rows]
