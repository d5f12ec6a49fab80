"""What left the house about a patient, told to the audit in the transaction that records how it went.

Spec: https://profiles.ihe.net/ITI/BALP/content.html (Privacy Disclosure at Source)
"""

from collections.abc import Collection, Sequence
from typing import Final
from urllib.parse import urlsplit

from fhirserver.kernel.audit import FAILED, SUCCESS, Actor, Happening
from fhirserver.kernel.ports import Transaction
from subscriptions.store.attempt_rows import AttemptRow

# Whose doing it is that people are told: the server's, for the patient's treatment.
_SERVER: Final = Actor(kind="system")
_TREATMENT: Final = "TREAT"


def of_attempt(tx: Transaction, attempt: AttemptRow, outcome: str) -> None:
    """Tell that a person was sent a message or called; `outcome` is that of the attempt."""
    named = frozenset({attempt.patient}) if attempt.patient else frozenset()
    thing = f"Subscription/{attempt.subscription}"
    if attempt.communication is not None:
        thing = f"Communication/{attempt.communication}"
    _tell(tx, named, (thing,), attempt.member or "", attempt.medium, outcome)


def of_parcel(
    tx: Transaction,
    subscriptions: Sequence[str],
    patients: Collection[str],
    endpoint: str,
    owner: str | None,
    channel: str,
    outcome: str,
) -> None:
    """Tell that a notification of each of `subscriptions` with events about `patients` was sent to `endpoint` for `owner`."""
    to = urlsplit(endpoint).hostname or owner or ""
    things = tuple(f"Subscription/{one}" for one in subscriptions)
    _tell(tx, frozenset(patients), things, to, channel, outcome)


def _tell(
    tx: Transaction,
    patients: frozenset[str],
    things: tuple[str, ...],
    recipient: str,
    medium: str,
    outcome: str,
) -> None:
    tx.audit(
        Happening(
            tx.tenant,
            "disclosed",
            tx.now,
            _SERVER,
            SUCCESS if outcome == "handed-over" else FAILED,
            patients,
            things,
            purpose=_TREATMENT,
            detail=f"{medium} {outcome}",
            recipient=recipient,
        )
    )
