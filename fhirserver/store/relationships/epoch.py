"""The number that grows with every change of who may see what."""

from fhirserver.kernel.ports import Transaction


async def move(tx: Transaction) -> None:
    """Let everybody who remembers a decision about access ask anew, once this is committed."""
    await tx.execute("UPDATE access_epoch SET epoch = epoch + 1")
