"""What others say of our alarms comes in by the listener, is handed on once, and is answered."""

from collections.abc import AsyncIterator

import pytest

from fhirserver.kernel.ports import Transaction
from tests.integration.ingest.test_ingest import Home, clock, home, witness
from tests.integration.interfaces.interface import Interface, Sender, code, faults, opened

__all__ = ["clock", "home", "witness"]  # fixtures are found by their names here


class Answers:
    """Implements `fhirserver.kernel.hl7.AlertAnswers`: one alarm was told of, by the message ``a-1``."""

    def __init__(self) -> None:
        self.told: list[tuple[int, str, str]] = []

    async def acknowledged(self, tx: Transaction, control_id: str, who: str) -> bool:
        self.told.append((tx.tenant, control_id, who))
        return control_id == "a-1"


def status(control_id: str, about: str, *more: str, code: str = "AA") -> bytes:
    head = f"MSH|^~\\&|ACM|WARD|||20260801090000+0000||ORA^R41^ORA_R41|{control_id}|P|2.6"
    return "\r".join([head, f"MSA|{code}|{about}", *more, ""]).encode()


PERSON = "PRT|1|UC||AAP|77^Ruiz^Nina"


@pytest.fixture
def answers() -> Answers:
    return Answers()


@pytest.fixture
async def interface(home: Home, answers: Answers) -> AsyncIterator[Interface]:
    async with opened(home, answers=answers) as interface:
        yield interface


@pytest.fixture
async def sender(interface: Interface) -> AsyncIterator[Sender]:
    sender = await interface.connect()
    yield sender
    await sender.close()


async def test_an_acknowledgement_is_handed_on_once(
    interface: Interface, sender: Sender, answers: Answers
) -> None:
    for _ in range(2):
        assert code(await sender.send(status("s-1", "a-1", PERSON))) == ("AA", "s-1")
    assert answers.told == [(1, "a-1", "Ruiz")]
    assert await interface.messages() == [("s-1", "accepted", "", 1)]


async def test_that_it_came_is_no_acknowledgement(sender: Sender, answers: Answers) -> None:
    assert code(await sender.send(status("s-1", "a-1"))) == ("AA", "s-1")
    assert code(await sender.send(status("s-2", "a-1", PERSON, code="AE"))) == ("AA", "s-2")
    assert answers.told == []


async def test_an_alarm_nobody_told_of_is_an_error(
    interface: Interface, sender: Sender, home: Home
) -> None:
    answer = await sender.send(status("s-1", "other", PERSON))
    assert (code(answer), faults(answer)) == (("AE", "s-1"), [("204", "E")])
    assert await interface.messages() == [("s-1", "refused", "not-applied", 1)]
    assert await home.dead_letters() == {"not-applied": 1}


async def test_a_status_of_nothing_is_incomplete(sender: Sender) -> None:
    answer = await sender.send(status("s-1", "", PERSON))
    assert (code(answer), faults(answer)) == (("AE", "s-1"), [("101", "E")])
