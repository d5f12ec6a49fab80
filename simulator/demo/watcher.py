"""Reads the public FHIR API and the phone company once a second for the picture."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

import httpx
import structlog

from simulator import codes
from simulator.demo.cast import HOUSEHOLDS, Household
from simulator.demo.picture import FLAG_DETAIL, Line, Picture, describe, moment
from simulator.record import Record, RecordError

EVERY_S = 1.0
# What a home's card shows: line pressure, flow, removed volume, time left.
MACHINE_CODES = ",".join(
    f"{codes.MDC}|{code}" for code in (codes.VENOUS_PRESSURE, codes.BLOOD_FLOW, "159032", "158724")
)
PRESSURE_CODE = f"{codes.MDC}|150020"
NEWEST = {"_sort": "-date"}
# Others may be treated at the same server: only what is about these homes is asked for.
PATIENTS: Final = ",".join(home.patient.reference for home in HOUSEHOLDS)
# What is written at the same time may be seen in another order: asked for again for so long.
SEEN_AGAIN: Final = timedelta(seconds=30)

log = structlog.get_logger("simulator.demo")


class Watcher:
    """Feeds `picture`; hands each new line to `tell`."""

    def __init__(
        self,
        record: Record,
        http: httpx.AsyncClient,
        phone_url: str,
        picture: Picture,
        *,
        clock: Callable[[], datetime],
        tell: Callable[[Line], None],
    ) -> None:
        self._record = record
        self._http = http
        self._phone_url = phone_url
        self._picture = picture
        self._clock = clock
        self._tell = tell
        self._began = clock()
        self._since: dict[str, datetime] = {}
        self._events_read = 0
        self._evidence: dict[str, str] = {}

    async def run(self) -> None:
        """Watch for ever; a server that does not answer is said once, and asked again."""
        failing = False
        while True:
            try:
                await self.look()
                failing = False
            except (httpx.HTTPError, RecordError) as error:
                if not failing:
                    line = Line(
                        self._clock(), "fault", None, f"the server does not answer: {error}"
                    )
                    self._tell(*self._picture.add(line))
                failing = True
            await asyncio.sleep(EVERY_S)

    async def look(self) -> None:
        """Read everything once and tell what is new, in the order it happened."""
        lines = await self._phone_events()
        # One after the other: `gather` loses a cancellation that meets a failing child, and the
        # whole demonstration would wait for this watcher for ever.
        for home in HOUSEHOLDS:
            await self._readings(home)
        now = self._clock()
        lines += self._picture.tell_readings(now)
        # In this order, so that a message finds the alert it is about.
        for flag in await self._changed("Flag"):
            lines += self._picture.absorb_flag(flag, await self._evidence_of(flag), now)
        for task in await self._changed("Task"):
            lines += self._picture.absorb_task(task, now)
        for message in await self._changed("Communication"):
            lines += self._picture.absorb_communication(message, now)
        for line in sorted(lines, key=lambda line: line.at):
            self._tell(line)

    async def _changed(self, kind: str) -> list[dict[str, Any]]:
        """Return the resources of `kind` about these homes that may be new, oldest first."""
        since = self._since.get(kind, self._began)
        found = await self._record.search(
            kind,
            {
                "patient": PATIENTS,
                "_lastUpdated": f"ge{since.isoformat(timespec='milliseconds')}",
                "_sort": "_lastUpdated",
                "_count": "200",
            },
        )
        if found:
            newest = moment(found[-1].get("meta", {}).get("lastUpdated"), since)
            self._since[kind] = max(since, newest - SEEN_AGAIN)
        return found

    async def _phone_events(self) -> list[Line]:
        answer = await self._http.get(
            f"{self._phone_url}/events", params={"after": self._events_read}
        )
        events: list[dict[str, Any]] = answer.json()
        lines: list[Line] = []
        for event in events:
            self._events_read = event["number"]
            lines += self._picture.absorb_phone_event(event, self._clock())
        return lines

    async def _readings(self, home: Household) -> None:
        patient = home.patient.reference
        machine = {"patient": patient, "code": MACHINE_CODES, **NEWEST, "_count": "8"}
        pressure = {"patient": patient, "code": PRESSURE_CODE, **NEWEST, "_count": "1"}
        for query in (machine, pressure):
            found = await self._record.search("Observation", query)
            self._picture.absorb_observations(found, self._clock())

    async def _evidence_of(self, flag: dict[str, Any]) -> str:
        described: list[str] = []
        for extension in flag.get("extension", []):
            reference = extension.get("valueReference", {}).get("reference", "")
            if extension.get("url") != FLAG_DETAIL or not reference.startswith("Observation/"):
                continue
            if reference not in self._evidence:
                observation = await self._record.read(reference)
                self._evidence[reference] = "" if observation is None else describe(observation)
            if self._evidence[reference]:
                described.append(self._evidence[reference])
        return "; ".join(described[:2])
