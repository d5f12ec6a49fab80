"""Reads by id: every client reads resources that were made before, in its own order."""

from collections.abc import Callable
from typing import Any

import orjson

from conformance.load.rest.clients import Client, Measured, run
from conformance.load.rest.http import Target
from conformance.load.rest.reading_known import read_known
from conformance.load.rest.seeds import seed


async def read(target: Target, *, clients: int, seconds: float, resources: int) -> Measured:
    """Return what `clients` measured in `seconds` of reading `resources` Observations made for it."""
    ids = await _made(target, resources)
    return await read_known(target, "Observation", ids, clients=clients, seconds=seconds)


async def _made(target: Target, resources: int) -> list[str]:
    ids: list[str] = []

    async def work(client: Client, _number: int, _going_on: Callable[[], bool]) -> None:
        patient: dict[str, Any] = (
            await client.ask("create", "POST", "/Patient", _body("Patient", {}), expect=(201,))
        ).json()
        known = {"Patient": str(patient["id"]), "Encounter": "none"}
        while len(ids) < resources:
            made = await client.ask(
                "create", "POST", "/Observation", _body("Observation", known), expect=(201,)
            )
            ids.append(str(made.json()["id"]))

    await run(target, 16, work)
    return ids


def _body(type_: str, ids: dict[str, str]) -> bytes:
    """Return a resource that no search of the reference set finds."""
    resource = seed(type_, ids)
    resource.pop("name", None)
    resource.pop("category", None)
    return orjson.dumps(resource)
