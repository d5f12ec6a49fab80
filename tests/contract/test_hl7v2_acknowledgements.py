"""The table of acknowledgements, over a real socket: what MSH-15 and MSH-16 ask for is what is answered, and nothing else.

Written down here apart from the code: HL7 v2.6, 2.9.2 and 2.9.3, table 0155.
"""

from itertools import product

from fhirserver.wire.hl7v2.mllp import framed
from tests.integration.ingest.test_ingest import Home, clock, home, witness
from tests.integration.interfaces.interface import Sender, code, opened, snapshot

__all__ = ["clock", "home", "witness"]  # fixtures are found by their names here
# Table 0155; a sender that knows no enhanced mode leaves both empty.
CONDITIONS = ("", "AL", "NE", "ER", "SU")
ASKED_WHEN_TAKEN = {"": False, "AL": True, "NE": False, "ER": False, "SU": True}
ASKED_WHEN_REFUSED = {"": False, "AL": True, "NE": False, "ER": True, "SU": False}


def expected(accept: str, application: str, *, taken: bool) -> list[str]:
    """Return the codes that are owed; the accept acknowledgement comes first."""
    letter = "A" if taken else "E"
    if not accept and not application:
        return [f"A{letter}"]
    asked = ASKED_WHEN_TAKEN if taken else ASKED_WHEN_REFUSED
    return [
        f"{which}{letter}" for which, when in (("C", accept), ("A", application)) if asked[when]
    ]


async def test_every_combination_is_answered_as_the_standard_says(home: Home) -> None:
    async with opened(home) as interface:
        sender = await interface.connect()
        for number, (accept, application, taken) in enumerate(
            product(CONDITIONS, CONDITIONS, (True, False))
        ):
            control_id = f"m-{number}"
            eui = {} if taken else {"eui": "FFFFFFFFFFFFFFFF"}
            message = snapshot(control_id, **eui).replace(
                b"|AL|NE", f"|{accept}|{application}".encode(), 1
            )
            owed = [(one, control_id) for one in expected(accept, application, taken=taken)]
            assert await answers(sender, message, number) == owed, (accept, application, taken)
        await sender.close()


async def answers(sender: Sender, message: bytes, number: int) -> list[tuple[str, str]]:
    """Send a message, and a second one whose answer says that there is no further one to the first."""
    last = f"end-{number}"
    sender.writer.write(framed(message))
    found = [code(await sender.send(snapshot(last)))]
    while found[-1][1] != last:
        found.append(code(await sender.answer()))
    return found[:-1]
