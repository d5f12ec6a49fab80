"""The reference workload: nine creates, nine reads, nine updates, nine deletes, again and again."""

from collections.abc import Callable
from itertools import count
from typing import Any

import orjson

from conformance.load.rest.clients import Client, Measured, UnexpectedError, run
from conformance.load.rest.http import Target
from conformance.load.rest.seeds import ORDER, changed, seed


async def crud(target: Target, *, clients: int, seconds: float) -> Measured:
    """Return what `clients` measured in `seconds`; rounds that began are finished.

    Raises `UnexpectedError` for any answer but 201, 200, 200 and 200 or 204.
    """
    turns = count(1)

    async def work(client: Client, _number: int, going_on: Callable[[], bool]) -> None:
        while going_on():
            await _round(client, next(turns))

    return await run(target, clients, work, seconds=seconds)


async def _round(client: Client, turn: int) -> None:
    ids: dict[str, str] = {}
    stored: dict[str, dict[str, Any]] = {}
    for type_ in ORDER:
        body = orjson.dumps(seed(type_, ids))
        answer = await client.ask(f"create {type_}", "POST", f"/{type_}", body, expect=(201,))
        stored[type_] = answer.json()
        ids[type_] = str(stored[type_]["id"])
    for type_ in ORDER:
        answer = await client.ask(f"read {type_}", "GET", f"/{type_}/{ids[type_]}")
        if answer.json().get("id") != ids[type_]:
            raise UnexpectedError(f"{type_}/{ids[type_]} was read as something else")
    for type_ in ORDER:
        body = orjson.dumps(changed(stored[type_], turn))
        await client.ask(f"update {type_}", "PUT", f"/{type_}/{ids[type_]}", body)
    for type_ in reversed(ORDER):
        await client.ask(f"delete {type_}", "DELETE", f"/{type_}/{ids[type_]}", expect=(200, 204))
