"""A process that serves the application until it is killed; it says on its standard output where.

Arguments: the database's URL.
"""

import asyncio
import sys

from tests.integration.websocket.served import served


async def run(dsn: str) -> None:
    async with served(dsn) as place:
        print(place.url, flush=True)
        await asyncio.Event().wait()


asyncio.run(run(sys.argv[1]))
