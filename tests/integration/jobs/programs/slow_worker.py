"""A worker process that reindexes row by row and says on its standard output how far it is; it is there to be killed.

Arguments: the database's URL.
"""

import asyncio
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

from fhirserver import definitions
from fhirserver.crypto import keyring
from fhirserver.kernel.jobs import Running
from fhirserver.store import reindex
from fhirserver.store.database import open_database
from fhirserver.store.job_worker import JobWorker
from fhirserver.store.record import Record
from tests.conftest import ROLE_PASSWORDS
from tests.integration.jobs.conftest import enable_nothing
from tests.integration.rest.conftest import Bystander


async def run(url: str) -> None:
    async with open_database(url, ROLE_PASSWORDS) as pools:
        ring = keyring.create("test", bytes(range(32)))
        observer: Any = Bystander()
        record = Record(pools, ring, definitions.load(), observer, lambda: datetime.now(UTC))
        reindex.BATCH = 1  # type: ignore[misc]
        parts = record._work
        work = reindex.Reindex(
            record.work, parts.keys, parts.definitions_of, enable_nothing, lag_seconds=0
        )

        class Talking:
            """A job that says how far it is, slowly."""

            def __init__(self, job: Running) -> None:
                self._job = job

            def __getattr__(self, name: str) -> Any:
                return getattr(self._job, name)

            async def advance(self, *told: Any) -> None:
                await self._job.advance(*told)
                print(told[0], flush=True)
                await asyncio.sleep(0.05)

        async def talking(job: Running) -> bytes:
            return await work(Talking(job))

        worker = JobWorker(
            record.jobs, record.scan, record._clock,
            requests={}, upkeep={"reindex": talking}, lease=timedelta(seconds=1),
        )  # fmt: skip
        await worker.run_due()


asyncio.run(run(sys.argv[1]))
