"""A server whose workers are `worker.py`: what bootstrap does, without the product."""

import os
import sys
from pathlib import Path

from fhirserver.settings import Settings
from fhirserver.supervisor import log_output
from fhirserver.supervisor.errors import SupervisorError
from fhirserver.supervisor.supervise import Supervisor

WORKER = Path(__file__).with_name("worker.py")

settings = Settings.from_environment(os.environ)
log_output.configure(settings.log_level)
try:
    Supervisor(
        settings,
        prepare=lambda prepared: prepared,
        announce=lambda text: print(text, flush=True),
        worker_command=(sys.executable, str(WORKER)),
    ).run()
except SupervisorError as error:
    print(error, flush=True)
    sys.exit(2)
