"""kill -9 of a worker in the middle of a job: another one goes on where it was."""

import asyncio
import os
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

import orjson

from fhirserver.kernel.jobs import Running
from tests.conftest import Database
from tests.integration.jobs.conftest import ADMIN, Clock, open_record, worker
from tests.integration.jobs.home import rows
from tests.integration.jobs.test_reindex import INDEX, RANGES, damage, work

PROGRAM = Path(__file__).parent / "programs" / "slow_worker.py"
ROOT = Path(__file__).parents[3]
PATIENTS = 40


async def test_a_killed_worker_loses_nothing(database: Database, clock: Clock) -> None:
    clock.now = datetime.now(UTC)
    async with open_record(database, clock) as record:
        async with record.transaction(1) as tx:
            for number in range(PATIENTS):
                name = [{"family": f"Family{number}"}]
                await tx.put({"resourceType": "Patient", "name": name}, id_=f"p{number}")
        index, ranges = await rows(record, INDEX), await rows(record, RANGES)
        await damage(record)
        request = orjson.dumps({"types": ["Patient"]})
        id_ = await record.jobs.submit(1, "reindex", request, ADMIN.principal)

        victim = await asyncio.create_subprocess_exec(
            sys.executable, str(PROGRAM), database.dsn,
            cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        assert victim.stdout is not None
        async with asyncio.timeout(60):
            while int(await victim.stdout.readline()) < PATIENTS // 4:
                pass
        victim.send_signal(signal.SIGKILL)
        assert await victim.wait() == -signal.SIGKILL

        good, saved = work(record), []

        async def successor(job: Running) -> bytes:
            saved.append(orjson.loads(job.saved))
            return await good(job)

        clock.later(minutes=1)
        assert await worker(record, upkeep={"reindex": successor}).run_due() == 1

        status = await record.jobs.status(1, id_, ADMIN)
        assert status is not None
        assert status.state == "done"
        assert PATIENTS > saved[0]["read"] >= PATIENTS // 4
        assert await rows(record, INDEX) == index
        assert await rows(record, RANGES) == ranges
