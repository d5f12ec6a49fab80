"""Import: transaction bundles of about 600 entries, several senders at once."""

from collections.abc import Callable
from decimal import Decimal
from itertools import count
from typing import Any

import orjson

from conformance.load.rest.clients import Client, Measured, UnexpectedError, run
from conformance.load.rest.http import Target
from conformance.load.rest.population import ENTRIES, person, record, staff

# Five patients make a bundle of 570 entries.
PATIENTS_A_BUNDLE = 5


async def import_population(
    target: Target, *, patients: int, clients: int, first: int = 0, say: Callable[[str], None]
) -> Measured:
    """Return what `clients` measured while they stored patients `first` .. `first + patients`; `units` are resources.

    Raises `UnexpectedError` for an answer that is not 200 with one entry for each of ours.
    """
    bundles = (patients + PATIENTS_A_BUNDLE - 1) // PATIENTS_A_BUNDLE
    turns = count()
    done = 0

    async def begin(client: Client, _number: int, _going_on: Callable[[], bool]) -> None:
        await client.ask("staff", "POST", "", _encoded(staff()))

    async def work(client: Client, _number: int, _going_on: Callable[[], bool]) -> None:
        nonlocal done
        while (turn := next(turns)) < bundles:
            start = first + turn * PATIENTS_A_BUNDLE
            end = min(start + PATIENTS_A_BUNDLE, first + patients)
            body = _encoded(record(tuple(person(number) for number in range(start, end))))
            answer = await client.ask(
                "transaction", "POST", "", body, more="Prefer: return=minimal\r\n"
            )
            if body_entries(answer.json()) != (end - start) * ENTRIES:
                raise UnexpectedError("a transaction answered with another number of entries")
            done += 1
            if done % 100 == 0:
                say(f"  {done} of {bundles} bundles")

    await run(target, 1, begin)
    measured = await run(target, clients, work)
    measured.units = patients * ENTRIES
    return measured


def body_entries(bundle: dict[str, Any]) -> int:
    """Return how many entries `bundle` has."""
    return len(bundle.get("entry", ()))


def _encoded(resource: dict[str, Any]) -> bytes:
    return orjson.dumps(resource, default=_number)


def _number(value: object) -> object:
    if isinstance(value, Decimal):
        return orjson.Fragment(str(value))
    raise TypeError
