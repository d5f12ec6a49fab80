"""The composite observer: rules first, then people, then treatments."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast

from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.principal import Principal
from fhirserver.kernel.resource import Json
from subscriptions.core.ports import ResponsePart
from subscriptions.evaluation.part import Evaluation
from subscriptions.observer import Observer
from subscriptions.sessions.part import Sessions
from tests.unit.subscriptions.rules.world import START


class Part:
    """Writes down what it is asked."""

    def __init__(self, name: str, log: list[str]) -> None:
        self.name = name
        self.log = log

    async def admit(
        self, tx: Transaction, principal: Principal, resource: Json, previous: Json | None
    ) -> Json:
        self.log.append(f"{self.name} admit {tx} {principal} {previous}")
        return resource | {self.name: True}

    async def changed(self, tx: Transaction, changes: Sequence[Any]) -> None:
        self.log.append(f"{self.name} changed {len(changes)} {tx}")

    async def readings(self, tx: Transaction, readings: Sequence[Any]) -> None:
        self.log.append(f"{self.name} readings {len(readings)} {tx}")

    async def streamed(self, tx: Transaction, observations: Sequence[Any]) -> None:
        self.log.append(f"{self.name} streamed {len(observations)} {tx}")

    async def device_events(self, tx: Transaction, events: Sequence[Any]) -> None:
        self.log.append(f"{self.name} events {len(events)} {tx}")

    async def contacts(self, tx: Transaction, contacts: Sequence[Any]) -> None:
        self.log.append(f"{self.name} contacts {len(contacts)} {tx}")

    async def faults(self, tx: Transaction, faults: Sequence[Any]) -> None:
        self.log.append(f"{self.name} faults {len(faults)} {tx}")

    async def scan(self, tx: Transaction, listening_since: datetime) -> int:
        self.log.append(f"{self.name} scan {listening_since:%H} {tx}")
        return 3


async def test_rules_are_asked_before_people() -> None:
    log: list[str] = []
    observer = Observer(
        cast("Evaluation", Part("rules", log)),
        cast("ResponsePart", Part("response", log)),
        cast("Sessions", Part("sessions", log)),
    )
    nothing = cast("Any", None)
    assert await observer.admit(nothing, nothing, {}, None) == {"rules": True, "response": True}
    await observer.changed(nothing, [])
    await observer.readings(nothing, [])
    await observer.device_events(nothing, [])
    await observer.contacts(nothing, [])
    await observer.faults(nothing, [])
    assert await observer.scan(nothing, START) == 3
    two, three = ["rules", "response"], ["rules", "response", "sessions"]
    asked = [*two, *three, *two, *two, *three, *two, "rules"]
    assert [line.split()[0] for line in log] == asked
