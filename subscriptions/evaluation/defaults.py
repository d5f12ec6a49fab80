"""What every tenant has from the start: the default rules, and the Device that signs our Flags."""

from fhirserver.kernel.canonical import BASE
from fhirserver.kernel.ports import Transaction
from subscriptions.core.flag import SERVER_DEVICE
from subscriptions.evaluation.rule_book import shipped_plan

PLAN_ID = "default-rules"


async def ensure(tx: Transaction) -> None:
    """Store the shipped PlanDefinition and the server's Device where they are missing or older.

    A set of the same or a newer version, edited by the clinic or not, is left alone.
    """
    if await tx.get("Device", SERVER_DEVICE) is None:
        device = {
            "resourceType": "Device",
            "id": SERVER_DEVICE,
            "identifier": [{"system": f"{BASE}NamingSystem/server", "value": SERVER_DEVICE}],
            "status": "active",
            "deviceName": [{"name": SERVER_DEVICE, "type": "user-friendly-name"}],
        }
        await tx.put(device, id_=SERVER_DEVICE)
    shipped = shipped_plan()
    stored = await tx.get("PlanDefinition", PLAN_ID)
    if stored is None or version_key(stored.get("version")) < version_key(shipped["version"]):
        await tx.put(shipped, id_=PLAN_ID)


def version_key(version: object) -> tuple[int, ...]:
    """Return a sortable key of a dotted version; anything else sorts before every version."""
    parts = str(version).split(".")
    return tuple(int(part) for part in parts) if all(part.isdecimal() for part in parts) else ()
