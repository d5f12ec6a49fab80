"""The way to the account's own server: signed form POSTs, tried a few times."""

import asyncio

import httpx
import structlog

from simulator.phone_company.events import EventLog
from simulator.phone_company.records import Account
from simulator.phone_company.signature import sign

CALLBACK_TRIES = 3

log = structlog.get_logger("simulator.phone_company")


class AccountServer:
    """Whoever the account runs: webhooks and status callbacks go there."""

    def __init__(self, account: Account, http: httpx.AsyncClient, events: EventLog) -> None:
        self._account = account
        self._http = http
        self._events = events

    async def post(self, url: str, fields: dict[str, str]) -> str | None:
        """POST a signed form; return the body of a 2xx answer, None when there was none."""
        signature = sign(self._account.token, url, fields.items())
        for attempt in range(CALLBACK_TRIES):
            try:
                answer = await self._http.post(
                    url, data=fields, headers={"X-Twilio-Signature": signature}
                )
            except httpx.HTTPError as error:
                log.info("the server is not reachable", url=url, error=str(error))
            else:
                if answer.is_success:
                    return answer.text
                log.info("the server refused", url=url, status=answer.status_code)
                if answer.status_code < 500:
                    return None
            await asyncio.sleep(0.2 * 2**attempt)
        self._events.add("callback-lost", url=url)
        return None
