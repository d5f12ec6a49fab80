"""A worker that writes its process id and what it was told into DATA, then waits for its end."""

import json
import os
import signal
import sys
from pathlib import Path

from fhirserver.settings import Settings
from fhirserver.supervisor import parent_death

parent_death.end_with(int(os.environ["SUPERVISOR_PID"]))
roles = sys.argv[sys.argv.index("--roles") + 1]
if roles == "deliver":  # a worker that does not listen
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
settings = Settings.from_environment(os.environ)
note = Path(settings.data) / f"worker-{roles}.json"
unfinished = note.with_suffix(".new")
unfinished.write_text(
    json.dumps({"pid": os.getpid(), "dsn": settings.database_url, "nats": settings.nats_url})
)
unfinished.rename(note)
while True:
    signal.pause()
