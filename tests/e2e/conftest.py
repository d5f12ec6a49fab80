"""A whole server for tests from outside: database, broker, workers, and a telephone company."""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from conformance.load import phone, server
from tests.conftest import make_data_directory
from tests.e2e.operator_shell import Operator, operator


@dataclass(frozen=True, slots=True)
class RunningServer:
    """`base`: FHIR base URL; `mqtt`: host and port of the broker; `data`: its DATA directory;
    `phone`: URL of the telephone company it sends through (`GET /events?after=N`); `token`: an
    administrator's bearer token; `process`: the server itself, to look at or to kill; `operator`: who
    gives commands beside it.
    """

    base: str
    mqtt: tuple[str, int]
    data: Path
    phone: str
    token: str
    process: server.Server
    operator: Operator

    @property
    def url(self) -> str:
        """The server's URL without /fhir."""
        return self.process.place.url


@contextmanager
def a_server(**settings: str) -> Iterator[RunningServer]:
    """Run a fresh server, ready, with `settings` in its environment; everything is removed."""
    with ExitStack() as stack:
        data = make_data_directory()
        stack.callback(shutil.rmtree, data)
        account = phone.Account.fresh()
        company = stack.enter_context(phone.running(account))
        known = account.settings(company) | settings
        process = stack.enter_context(server.running(known, data=data))
        place = process.place
        beside = stack.enter_context(
            operator({**known, "DATA": str(data), "PORT": str(place.port)})
        )
        token = place.admin_token()
        yield RunningServer(place.base, place.mqtt, data, company, token, process, beside)


@pytest.fixture(scope="session")
def running_server() -> Iterator[RunningServer]:
    """One server for all tests that leave it alive; they bring patients and devices of their own."""
    with a_server() as running:
        yield running


@pytest.fixture
def mortal_server() -> Iterator[RunningServer]:
    """A server of this test alone, which it may kill."""
    with a_server() as running:
        yield running


def wait_until_refused() -> None:
    """Let the second pass within which a server stops honouring what was ended.

    A request sent after it is refused however busy the machine is: what a process believes is bounded by its clock.
    """
    time.sleep(1.0)


def files_below(directory: Path) -> Iterator[Path]:
    """The regular files below `directory`, in which a running server makes and removes whole directories meanwhile."""
    for where, _, names in os.walk(directory):
        for name in names:
            path = Path(where) / name
            if path.is_file() and not path.is_symlink():
                yield path
