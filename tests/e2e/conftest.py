"""A whole server for tests from outside: database, broker, workers, and a telephone company."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from conformance.load import phone, server
from tests.conftest import make_data_directory


@dataclass(frozen=True, slots=True)
class RunningServer:
    """`base`: FHIR base URL; `mqtt`: host and port of the broker; `data`: its DATA directory;
    `phone`: URL of the telephone company it sends through (`GET /events?after=N`); `token`: an
    administrator's bearer token; `process`: the server itself, to look at or to kill.
    """

    base: str
    mqtt: tuple[str, int]
    data: Path
    phone: str
    token: str
    process: server.Server

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
        process = stack.enter_context(
            server.running(account.settings(company) | settings, data=data)
        )
        place = process.place
        yield RunningServer(place.base, place.mqtt, data, company, place.admin_token(), process)


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
