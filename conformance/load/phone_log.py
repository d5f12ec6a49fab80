"""Reads what a telephone company received, and prepares it, over HTTP.

Works with the company of `conformance.load.phone` and with any other that answers `GET
/events?after=N` (kind, to, body, at), `PUT /webhooks` and `PUT /phones/{number}`.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx


@dataclass(frozen=True, slots=True)
class Heard:
    """A message a telephone received and the moment (Unix seconds) its company took it."""

    telephone: str
    body: str
    at: float

    @property
    def is_alarm(self) -> bool:
        """Whether it calls somebody to a patient."""
        return self.body.lstrip().upper().startswith("ALERT")


class PhoneLog:
    """The company at `url`."""

    def __init__(self, http: httpx.AsyncClient, url: str) -> None:
        self._http = http
        self._url = url.rstrip("/")
        self._after = 0
        self.heard: list[Heard] = []
        self.answered: set[str] = set()

    async def deliver_to(self, webhook: str) -> None:
        """Have people's messages sent to `webhook`."""
        answer = await self._http.put(f"{self._url}/webhooks", json={"sms": webhook})
        answer.raise_for_status()

    async def prepare(self, number: str) -> None:
        """Make the person at `number` answer when asked to prove the number."""
        answer = await self._http.put(f"{self._url}/phones/{number}", json={"auto_verify": True})
        answer.raise_for_status()

    async def read(self) -> list[Heard]:
        """Return the messages received since the last reading."""
        answer = await self._http.get(f"{self._url}/events", params={"after": self._after})
        answer.raise_for_status()
        events: list[dict[str, Any]] = answer.json()
        fresh = [
            Heard(event["to"], event["body"], datetime.fromisoformat(event["at"]).timestamp())
            for event in events
            if event["kind"] == "message"
        ]
        # One company writes the person as `to`, another as `sender`.
        self.answered |= {
            str(event.get("sender") or event.get("to"))
            for event in events
            if event["kind"] == "reply"
        }
        if events:
            self._after = max(event["number"] for event in events)
        self.heard.extend(fresh)
        return fresh
