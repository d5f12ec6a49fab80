"""Reads by id of what is there already."""

import random
from collections.abc import Callable, Sequence
from typing import Any

from conformance.load.rest.clients import Client, Measured, UnexpectedError, run
from conformance.load.rest.http import Target


async def patients_of(target: Target, count: int) -> list[str]:
    """Return the ids of up to `count` patients."""
    found: list[str] = []

    async def work(client: Client, _number: int, _going_on: Callable[[], bool]) -> None:
        path = f"/Patient?_count={min(count, 1000)}&_elements=id"
        bundle: dict[str, Any] = (await client.ask("patients", "GET", path)).json()
        found.extend(str(entry["resource"]["id"]) for entry in bundle.get("entry", ()))

    await run(target, 1, work)
    return found[:count]


async def read_known(
    target: Target, type_: str, ids: Sequence[str], *, clients: int, seconds: float
) -> Measured:
    """Return what `clients` measured in `seconds` of reading resources by `ids`, each in its own order."""

    async def work(client: Client, number: int, going_on: Callable[[], bool]) -> None:
        chance = random.Random(number)
        while going_on():
            id_ = chance.choice(ids)
            answer = await client.ask(f"read {type_}", "GET", f"/{type_}/{id_}")
            if id_.encode() not in answer.body and answer.json().get("id") != id_:
                raise UnexpectedError(f"{type_}/{id_} was read as something else")

    return await run(target, clients, work, seconds=seconds)
