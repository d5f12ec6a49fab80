"""The number that grows with every change of who may see what."""

from fhirserver.kernel.ports import Transaction
from fhirserver.store.database import Pool


async def move(tx: Transaction) -> None:
    """Let everybody who remembers a decision about access ask anew, once this is committed."""
    await tx.execute("UPDATE access_epoch SET epoch = epoch + 1")


async def current(pool: Pool) -> int:
    """Return the newest that is committed."""
    async with pool.connection() as connection:
        found = await connection.rows("SELECT epoch FROM access_epoch")
    return int(found[0][0]) if found else 0
