"""A notification as an e-mail.

https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/channels.html#email: the body is for people, an
attachment for machines, and the content level binds both. The text therefore names what happened
only where the notification itself does, the subject names the topic and nobody, and neither ever
holds a value of the record.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Final
from urllib.parse import unquote
from uuid import UUID

from fhirserver.kernel.resource import Json
from subscriptions.core.payload import mime_of, payload_fault, version_fault

# One mailbox of RFC 5321 without quoting, comments, or letters beyond ASCII.
_MAILBOX: Final = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
)
_LONGEST_MAILBOX: Final = 254
_TEXT: Final = "text/plain"
_WRITTEN: Final = "text/plain;attach=application/fhir+json"


@dataclass(frozen=True, slots=True)
class Letter:
    """What an e-mail says. `attachment` is None where Subscription.channel.payload asks for none."""

    id: UUID
    sender: str
    recipient: str
    at: datetime
    title: str
    notification: Json | None
    attachment: bytes | None
    attached_as: str | None


def mailbox_of(endpoint: str | None) -> str | None:
    """Return the one mailbox of a ``mailto:`` endpoint; None for anything else.

    Header fields in it (``?cc=``, ``?subject=``) are refused: they would write to others.
    """
    scheme, _, rest = (endpoint or "").partition(":")
    mailbox = unquote(rest)
    fits = scheme.lower() == "mailto" and len(mailbox) <= _LONGEST_MAILBOX
    return mailbox if fits and _MAILBOX.fullmatch(mailbox) and "?" not in rest else None


def attachment_of(payload: str) -> str | None:
    """Return the MIME type of the attachment that a payload asks for, None for no attachment."""
    return mime_of(payload)[1].get("attach")


def letter_fault(payload: str) -> str | None:
    """Return why no e-mail can be written as `payload`, None when one can."""
    mime, parameters = mime_of(payload)
    if mime != _TEXT:
        return f"the body of an e-mail is for people: ask for {_TEXT} or {_WRITTEN}"
    attached = parameters.get("attach")
    if attached is not None and (reason := payload_fault(attached)) is not None:
        return f"attachment: {reason}"
    return version_fault(parameters)


def letter(content: Letter) -> EmailMessage:
    """Return the e-mail."""
    message = EmailMessage(policy=SMTP)
    message["From"] = content.sender
    message["To"] = content.recipient
    message["Subject"] = _subject(content)
    message["Date"] = format_datetime(content.at)
    message["Message-ID"] = f"<{content.id}@{content.sender.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content("\n".join(_lines(content)) + "\n", cte="quoted-printable")
    if content.attachment is not None and content.attached_as is not None:
        main, _, sub = mime_of(content.attached_as)[0].partition("/")
        form = "xml" if sub.endswith("xml") else "json"
        message.add_attachment(
            content.attachment, maintype=main, subtype=sub, filename=f"notification.{form}"
        )
        message.set_boundary(f"=_{content.id.hex}")
    return message


def _subject(content: Letter) -> str:
    title = " ".join(content.title.split())
    status = _status(content.notification)
    if status is None:
        return f"{title}: an event"
    kind = _value(status, "type")
    if kind == "event-notification":
        count = sum(1 for _ in _events(status))
        return f"{title}: {count} event{'' if count == 1 else 's'}"
    return f"{title}: {'this Subscription starts' if kind == 'handshake' else 'no new events'}"


def _lines(content: Letter) -> Iterator[str]:
    yield "This message was written by a FHIR server because a Subscription asks for it."
    yield ""
    yield f"About: {' '.join(content.title.split())}"
    status = _status(content.notification)
    if status is not None:
        yield f"Subscription: {_value(status, 'subscription')}"
        yield f"Events since it began: {_value(status, 'events-since-subscription-start')}"
        yield ""
        for event in _events(status):
            words = (_value(event, name) for name in ("event-number", "timestamp", "focus"))
            yield "Event " + "  ".join(word for word in words if word)
    elif content.notification is not None:
        yield f"Resource: {content.notification['resourceType']}/{content.notification.get('id')}"
    if content.attachment is not None:
        yield ""
        yield "The attachment holds the same for a computer."


def _status(notification: Json | None) -> list[Json] | None:
    """Return the parameters of the status in a notification Bundle; None for anything else."""
    if notification is None or notification.get("resourceType") != "Bundle":
        return None
    entries: list[Json] = notification.get("entry", [])
    first = entries[0].get("resource", {}) if entries else {}
    return first.get("parameter") if first.get("resourceType") == "Parameters" else None


def _events(status: list[Json]) -> Iterator[list[Json]]:
    return (p.get("part", []) for p in status if p["name"] == "notification-event")


def _value(parameters: list[Json], name: str) -> str:
    found = next((p for p in parameters if p["name"] == name), {})
    value = next((v for key, v in found.items() if key.startswith("value")), "")
    return str(value.get("reference", "")) if isinstance(value, dict) else str(value)
