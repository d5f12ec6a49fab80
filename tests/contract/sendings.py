"""A message on its way, for the contract."""

from datetime import UTC, datetime
from uuid import UUID

from subscriptions.channels.sendings import Sending
from tests.contract.telephone_companies import BOB


def sending() -> Sending:
    """An alarm by text."""
    return Sending(
        attempt=UUID(int=1),
        company="",
        medium="sms",
        to=BOB,
        text="ALERT 7Q2K: go",
        callback="https://us.example.org/status",
        urgency="PH",
        started=datetime(2026, 8, 1, 9, 30, tzinfo=UTC),
        look_first=False,
        blindly=False,
    )
