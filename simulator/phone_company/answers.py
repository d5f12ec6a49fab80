"""The JSON Twilio would answer: message and call resources, and errors."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from types import MappingProxyType
from typing import Any

from simulator.phone_company.numbers import segments
from simulator.phone_company.records import Call, Message

API = "2010-04-01"

ERRORS: Mapping[int, tuple[int, str]] = MappingProxyType(
    {
        20003: (401, "Authenticate"),
        20404: (404, "The requested resource was not found"),
        20429: (429, "Too Many Requests"),
        20500: (500, "Internal Server Error"),
        20503: (503, "Service unavailable"),
        21205: (400, "Url is not a valid URL"),
        21211: (400, "Invalid 'To' Phone Number"),
        21212: (400, "Invalid 'From' Phone Number"),
        21602: (400, "Message body is required."),
        21606: (400, "The 'From' phone number provided is not owned by this account."),
        21610: (400, "Attempt to send to unsubscribed recipient"),
    }
)
UNREACHABLE_HANDSET = 30003


def rfc2822(moment: datetime | None) -> str | None:
    """Return `moment` as Twilio writes times, for example ``Sat, 01 Aug 2026 09:30:05 +0000``."""
    return None if moment is None else format_datetime(moment.astimezone(UTC))


def error_json(code: int) -> tuple[int, dict[str, Any]]:
    """Return the HTTP status and body of the error `code`."""
    status, message = ERRORS[code]
    return status, {
        "code": code,
        "message": message,
        "more_info": f"https://www.twilio.com/docs/errors/{code}",
        "status": status,
    }


def message_json(message: Message) -> dict[str, Any]:
    """Return `message` as a Message resource."""
    uri = f"/{API}/Accounts/{message.account}/Messages/{message.sid}"
    return {
        "sid": message.sid,
        "account_sid": message.account,
        "api_version": API,
        "messaging_service_sid": None,
        "to": message.to,
        "from": message.sender,
        "body": message.body,
        "status": message.status,
        "direction": message.direction,
        "num_segments": str(segments(message.body)),
        "num_media": "0",
        "price": None,
        "price_unit": "USD",
        "date_created": rfc2822(message.created),
        "date_sent": rfc2822(message.sent),
        "date_updated": rfc2822(message.updated or message.created),
        "error_code": message.error_code,
        "error_message": None,
        "uri": f"{uri}.json",
        "subresource_uris": {"media": f"{uri}/Media.json"},
    }


def call_json(call: Call) -> dict[str, Any]:
    """Return `call` as a Call resource."""
    duration: str | None = None
    if call.started is not None and call.ended is not None:
        duration = str(math.ceil((call.ended - call.started).total_seconds()))
    return {
        "sid": call.sid,
        "account_sid": call.account,
        "api_version": API,
        "to": call.to,
        "from": call.sender,
        "status": call.status,
        "direction": "outbound-api",
        "answered_by": None,
        "date_created": rfc2822(call.created),
        "start_time": rfc2822(call.started),
        "end_time": rfc2822(call.ended),
        "duration": duration,
        "price": None,
        "price_unit": "USD",
        "uri": f"/{API}/Accounts/{call.account}/Calls/{call.sid}.json",
    }
