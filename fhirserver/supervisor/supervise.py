"""The life of a server on one machine: start in order, keep alive, stop in the opposite order.

database -> broker -> preparation (roles, migrations, content) -> workers; Ctrl-C or SIGTERM ends
the workers first, so that what they hold is committed, then the broker, then the database. A second
Ctrl-C stops waiting for workers. Whatever was told to run elsewhere (DATABASE_URL, NATS_URL) is
used and left alone.
"""

import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from types import FrameType
from typing import Final

import structlog

from fhirserver.settings import Settings
from fhirserver.supervisor.broker import Broker
from fhirserver.supervisor.children import WORKER_COMMAND, Child, worker
from fhirserver.supervisor.data_lock import locked
from fhirserver.supervisor.errors import SupervisorError
from fhirserver.supervisor.postgres import PostgresServer
from fhirserver.supervisor.restart import RestartPlan

DATABASE: Final = "fhirserver"
LOOK_SECONDS: Final = 0.1
WORKER_STOP_SECONDS: Final = 10.0
STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

Prepare = Callable[[Settings], Settings]
Announce = Callable[[str], None]

log = structlog.get_logger(__name__)


class Supervisor:
    """Runs the server described by `settings` until it is told to stop.

    `prepare` is called once the database and the broker answer, with settings in which DATABASE_URL
    (the embedded database's superuser) and the broker's URLs are filled in; what it returns is the
    environment of the workers, so it may put a lesser database role there. `announce` is told, in
    plain words for the terminal, what is being done. `worker_command` starts a worker; the option
    ``--roles`` is appended.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        prepare: Prepare,
        announce: Announce,
        worker_command: Sequence[str] = WORKER_COMMAND,
    ) -> None:
        """Remember the wishes; nothing is started before `run`."""
        self._settings = settings
        self._prepare = prepare
        self._announce = announce
        self._worker_command = worker_command
        self._stop = threading.Event()
        self._hurry = threading.Event()
        self._postgres: PostgresServer | None = None
        self._broker: Broker | None = None
        self._workers: list[Child] = []
        self._daemon_plans: dict[str, tuple[RestartPlan, float]] = {}

    def run(self) -> None:
        """Start everything and return after everything was stopped.

        Raises `SupervisorError` when something cannot be started; nothing is left running then.
        Must be called in the main thread, because it takes over the stop signals.
        """
        before = {sign: signal.signal(sign, self._told_to_stop) for sign in STOP_SIGNALS}
        try:
            with locked(self._settings.data):
                try:
                    self._start()
                    while not self._stop.wait(LOOK_SECONDS):
                        self._keep_alive()
                except SupervisorError:
                    # Ctrl-C also reaches initdb; what it then complains about is no news.
                    if not self._stop.is_set():
                        raise
                finally:
                    self._end()
        finally:
            for sign, handler in before.items():
                signal.signal(sign, handler)

    def _told_to_stop(self, _sign: int, _frame: FrameType | None) -> None:
        if self._stop.is_set():
            self._hurry.set()
        self._stop.set()

    def _start(self) -> None:
        settings = self._settings
        if not settings.database_url:
            self._announce("starting the database")
            self._postgres = PostgresServer(settings.data, progress=self._announce)
            self._postgres.start()
            self._postgres.ensure_database(DATABASE)
            settings = replace(settings, database_url=self._postgres.dsn(DATABASE))
        if not settings.nats_url and not self._stop.is_set():
            self._announce("starting the broker")
            self._broker = Broker(
                settings.data,
                client_port=settings.nats_port,
                mqtt_host=settings.mqtt_host,
                mqtt_port=settings.mqtt_port,
                mqtt_certificate=settings.mqtt_tls_certificate,
                mqtt_key=settings.mqtt_tls_key,
                progress=self._announce,
            )
            self._broker.start()
            settings = replace(
                settings,
                mqtt_port=self._broker.mqtt_port,
                nats_port=self._broker.client_port,
                nats_url=self._broker.url,
                nats_authenticator_url=self._broker.authenticator_url,
                nats_callout_seed=self._broker.issuer_seed,
            )
        if self._stop.is_set():
            return
        self._announce("preparing the database")
        environment = self._prepare(settings).environment()
        self._workers = [
            worker(roles, environment, command=self._worker_command) for roles in settings.workers
        ]
        for child in self._workers:
            if not self._stop.is_set():
                child.start()

    def _keep_alive(self) -> None:
        for name, daemon in (("database", self._postgres), ("broker", self._broker)):
            if daemon is not None and not daemon.is_running():
                self._revive(name, daemon)
        for child in self._workers:
            child.keep_alive()

    def _revive(self, name: str, daemon: PostgresServer | Broker) -> None:
        """Start a dead database or broker again, as patiently as a worker but without giving up."""
        now = time.monotonic()
        plan, due = self._daemon_plans.get(name, (RestartPlan(0.0), 0.0))
        if now < due:
            return
        log.error("died, starting it again", process=name)
        plan, delay = plan.after_death(now)
        try:
            daemon.stop()
            daemon.start()
        except SupervisorError as error:
            log.critical("cannot be started", process=name, reason=str(error))
        started = time.monotonic()
        self._daemon_plans[name] = plan.after_start(started), started + delay

    def _end(self) -> None:
        self._announce("stopping")
        for child in self._workers:
            child.send(signal.SIGTERM)
        deadline = time.monotonic() + WORKER_STOP_SECONDS
        while any(child.is_running for child in self._workers):
            if self._hurry.is_set() or time.monotonic() > deadline:
                for child in self._workers:
                    child.send(signal.SIGKILL)
            time.sleep(LOOK_SECONDS / 2)
        for daemon in (self._broker, self._postgres):
            if daemon is not None:
                daemon.stop()
        self._announce("stopped")
