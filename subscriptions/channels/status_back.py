"""What receivers of alarms say back over the connection on which they were told: that somebody acknowledged.

Spec: IHE Devices TF-2, PCD-04 and PCD-05.
"""

from typing import Final

from fhirserver.kernel.errors import Conflict, Unavailable
from fhirserver.wire.hl7v2.acknowledgement import (
    UNKNOWN_KEY,
    Fault,
    Place,
    acknowledgement,
    answers,
    asking,
)
from fhirserver.wire.hl7v2.alarm_status import AlarmStatus
from fhirserver.wire.hl7v2.message import Message
from subscriptions.channels.mllp_line import LineFailed
from subscriptions.core.hl7v2.header import APPLICATION
from subscriptions.response.acknowledgements import Acknowledgements
from subscriptions.worker.ports import Clock, Transactions

_NO_SUCH: Final = Fault(UNKNOWN_KEY, "no such alarm was told of", Place("MSA", 1, 2))


class StatusBack:
    """Writes acknowledgements down, each in a transaction of its own."""

    def __init__(
        self, acknowledgements: Acknowledgements, transactions: Transactions, clock: Clock
    ) -> None:
        """Work through `transactions`."""
        self._acknowledgements = acknowledgements
        self._transactions = transactions
        self._clock = clock

    async def __call__(self, tenant: int, status: AlarmStatus, message: Message) -> str:
        """Write down that an alarm was acknowledged and return what to send back, "" where nobody asks.

        Raises `LineFailed` when it cannot be written down now: whoever said it says it again.
        """
        try:
            async with self._transactions(tenant) as tx:
                known = await self._acknowledgements.acknowledged(tx, status.control_id, status.who)
        except (Conflict, Unavailable) as problem:
            raise LineFailed("what was said back could not be written down") from problem
        asks = asking(message.header)
        if asks.is_original:
            return ""  # an answer is not answered
        codes = answers(asks, "accepted" if known else "error")
        return "".join(
            acknowledgement(
                message.header,
                code,
                () if known else (_NO_SUCH,),
                control_id=f"{(message.header.text(10) or '')[:100]}.{code}",
                now=self._clock(),
                application=APPLICATION,
            )
            for code in codes[:1]
        )
