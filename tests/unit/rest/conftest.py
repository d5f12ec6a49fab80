"""A server over a record in memory: two patients, their teams, one token per role."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta

import httpx
import pytest

from fhirserver.definitions import load
from fhirserver.kernel.principal import Membership, Principal
from fhirserver.rest import Services, application
from tests.unit.rest.memory_record import START, MemoryRecord, Observer

BASE = "http://test/fhir"
PATIENT = {"resourceType": "Patient", "gender": "female"}
FHIR = {"content-type": "application/fhir+json"}


@dataclass
class Server:
    """The parts a test may turn."""

    record: MemoryRecord = field(default_factory=MemoryRecord)
    observer: Observer = field(default_factory=Observer)
    seconds: float = 0.0
    epoch: int = 0
    parts: dict[str, bool] = field(default_factory=lambda: {"database": True})

    def services(self, demo_page: str | None = None) -> Services:
        async def readiness() -> dict[str, bool]:
            return self.parts

        return Services(
            store=self.record,
            definitions=load(),
            observer=self.observer,
            base=BASE,
            version="0.1.0",
            readiness=readiness,
            access_epoch=lambda: self.epoch,
            topics=lambda _definitions: (
                "https://w3id.org/fhirserver/SubscriptionTopic/device-alert",
            ),
            demo_page=demo_page,
            clock=lambda: START + timedelta(seconds=self.seconds),
            monotonic=lambda: self.seconds,
            new_request_id=lambda: "made-request-id",
        )


@pytest.fixture
def server() -> Server:
    return filled(Server())


def filled(server: Server) -> Server:
    """Put two patients, a team and the tokens into `server`."""
    record = server.record
    record.tokens = {
        "admin": Principal(1, "admin", ""),
        "nurse": Principal(1, "practitioner", "Practitioner/nina"),
        "partner": Principal(1, "related-person", "RelatedPerson/bob"),
        "patient": Principal(1, "patient", "Patient/ann"),
        "device": Principal(1, "device", "Device/cuff"),
    }
    record.teams = [
        Membership("ann", "Practitioner/nina", None, None, None),
        Membership("ann", "RelatedPerson/bob", None, None, None),
    ]
    record.add({"resourceType": "Patient", "id": "ann", "gender": "female"})
    record.add({"resourceType": "Patient", "id": "joe", "gender": "male"})
    return server


@pytest.fixture
async def client(server: Server) -> AsyncIterator[httpx.AsyncClient]:
    """An HTTP client of the whole application, as administrator unless a test says otherwise."""
    transport = httpx.ASGITransport(application(server.services()))
    async with httpx.AsyncClient(
        transport=transport, base_url=BASE + "/", headers={"authorization": "Bearer admin"}
    ) as client:
        yield client


def token(name: str) -> dict[str, str]:
    """The Authorization header of a role."""
    return {"authorization": f"Bearer {name}"}


def issues(answer: httpx.Response) -> list[dict[str, object]]:
    """The issues of an answer that must be an OperationOutcome."""
    content = answer.json()
    assert content["resourceType"] == "OperationOutcome"
    return list(content["issue"])
