"""Brings the homes of a run into the server: resources by REST, devices enrolled, phones proven."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from conformance.load.device import Credential
from conformance.load.household import Household
from conformance.load.phone_log import PhoneLog
from conformance.record import Record

CONCURRENT: Final = 6
PROVEN_SECONDS: Final = 60.0
_LOOK_SECONDS: Final = 0.2


class SetupError(RuntimeError):
    """The server did not become ready for the run; the message says what is missing."""


async def settle(
    record: Record, homes: Sequence[Household], told: Callable[[int], object] = lambda _done: None
) -> dict[int, Credential]:
    """Write patients, machines and bindings; return the broker credentials by home number.

    `told` hears how many homes are done. Raises `conformance.record.Refusal`.
    """
    gate = asyncio.Semaphore(CONCURRENT)
    credentials: dict[int, Credential] = {}

    async def one(home: Household) -> None:
        async with gate:
            for resource in home.resources():
                await record.put(resource)
            answer = await record.enroll(home.device)
            credentials[home.number] = Credential(
                answer["username"], answer["password"], answer["tenant"], answer["device"]
            )
            told(len(credentials))

    async with asyncio.TaskGroup() as tasks:
        for home in homes:
            tasks.create_task(one(home))
    return credentials


async def reach(record: Record, phones: PhoneLog, homes: Sequence[Household], webhook: str) -> None:
    """Write who is called in each home and wait until every number was proven.

    Raises `SetupError` when some are not in time.
    """
    await phones.deliver_to(webhook)
    gate = asyncio.Semaphore(CONCURRENT)

    async def one(home: Household) -> None:
        async with gate:
            await phones.prepare(home.telephone)
            for resource in home.contact():
                await record.put(resource)

    async with asyncio.TaskGroup() as tasks:
        for home in homes:
            tasks.create_task(one(home))
    wanted = {home.telephone for home in homes}
    try:
        async with asyncio.timeout(PROVEN_SECONDS):
            while not wanted <= phones.answered:
                await asyncio.sleep(_LOOK_SECONDS)
                await phones.read()
    except TimeoutError:
        missing = len(wanted - phones.answered)
        raise SetupError(
            f"{missing} of {len(wanted)} telephone numbers were not asked to prove themselves in "
            f"{PROVEN_SECONDS:.0f} s: does the server send through this telephone company, and do "
            f"replies reach {webhook}?"
        ) from None
