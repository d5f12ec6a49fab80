"""What is on record about an incident, read with the rights of who asks."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from fhirserver.interactions.authorize import reads_every
from fhirserver.interactions.context import Context
from fhirserver.interactions.read import read
from fhirserver.interactions.search import search
from fhirserver.interactions.vread import vread
from fhirserver.kernel.canonical import ALERT_IDENTIFIER, INCIDENT
from fhirserver.kernel.errors import Forbidden, Gone, NotFound
from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.resource import Json
from fhirserver.wire import fhir_json
from subscriptions.core.alert import Alert
from subscriptions.core.device_alarm import MACHINE_EVENT
from subscriptions.core.flag import evidence_in
from subscriptions.core.why import Answering, Happened, why
from subscriptions.evaluation import alerts
from subscriptions.response.rosters import roster_of
from subscriptions.store import alert_rows

_EVENT: Final = "alert-event"
# A ladder that rings for half an hour leaves some dozens of messages a person.
_MOST: Final = 1000


@dataclass(frozen=True, slots=True)
class Explained:
    """An alert, the Flag that shows it, why it is there, and what was done about its incident."""

    alert: Alert
    flag: Json
    incident: Sequence[Alert]
    answering: Answering
    why: Json


async def explain(context: Context, flag_id: str) -> Explained:
    """Return everything the caller may know about the alert behind a Flag.

    Raises `NotFound` (no such Flag, or no alert of ours), `Gone`, `Forbidden`.
    """
    flag = fhir_json.read_own((await read(context, "Flag", flag_id)).content)
    alert_id, patient = _alert_id(flag), _patient(flag)
    tasks, communications = await _answers(context, flag)
    # Who sees that there is an alarm does not always see what was measured.
    measured = patient is None or reads_every(context, "Observation", patient)
    async with context.store.transaction(context.tenant) as tx:
        alert = await alerts.load(tx, patient, alert_id)
        whole = await alerts.of_incident(tx, alert.incident)
    incident = await _seen(context, alert, whole)
    async with context.store.transaction(context.tenant) as tx:
        answering = Answering(
            tasks,
            communications,
            await roster_of(tx, patient)
            if patient is not None and reads_every(context, "CareTeam", patient)
            else None,
        )
        told = why(
            alert,
            _shown(await alerts.detail(tx, alert), measured=measured),
            evidence_in(flag) if measured else (),
            await _happened(tx, alert, measured=measured),
            [one for one in incident if one.id != alert.id],
            answering,
        )
    return Explained(alert, flag, incident, answering, told)


async def readable(context: Context, reference: str) -> Json | None:
    """Return what a reference (``Type/id``, with a version or without) names, None where the caller may not see it."""
    parts = reference.split("/")
    try:
        if len(parts) == 4 and parts[2] == "_history" and parts[3].isdecimal():
            stored = await vread(context, parts[0], parts[1], int(parts[3]))
        elif len(parts) == 2:
            stored = await read(context, parts[0], parts[1])
        else:
            return None
    except (NotFound, Gone, Forbidden):
        return None
    return fhir_json.read_own(stored.content)


async def matches(context: Context, type_: str, *pairs: tuple[str, str]) -> list[Json]:
    """Return at most a thousand matches of a search that the caller may see, () where the role may see none."""
    try:
        found = await search(context, type_, [*pairs, ("_count", str(_MOST))])
    except Forbidden:
        return []
    return [fhir_json.read_own(one.content) for one in found.page.entries]


async def _seen(context: Context, alert: Alert, incident: Sequence[Alert]) -> list[Alert]:
    """Return `alert` and those of its incident that the caller may see."""
    seen = {one.id for one in await alerts_seen(context, alert.patient, incident)}
    return [one for one in incident if one.id == alert.id or one.id in seen]


async def alerts_seen(
    context: Context, patient: str | None, several: Sequence[Alert]
) -> list[Alert]:
    """Return those alerts of `patient` whose Flags the caller may see; who sees the machine fail sees no more than that."""
    if patient is None or reads_every(context, "Flag", patient):
        return list(several)
    return [
        one
        for one in several
        if one.flag is not None and await readable(context, f"Flag/{one.flag}") is not None
    ]


async def _answers(context: Context, flag: Json) -> tuple[list[Json], list[Json]]:
    incident = _incident(flag)
    if incident is None:
        return [], []
    group = f"urn:ietf:rfc:3986|urn:uuid:{incident}"
    tasks = await matches(context, "Task", ("group-identifier", group))
    if not tasks:
        return [], []
    parents = ",".join(f"Task/{one['id']}" for one in tasks)
    messages = await matches(context, "Communication", ("part-of", parents))
    messages.sort(key=lambda one: str(one.get("sent", one["meta"]["lastUpdated"])))
    return tasks, messages


async def _happened(tx: Transaction, alert: Alert, *, measured: bool) -> list[Happened]:
    found: list[Happened] = []
    for event, at, kind, sealed in await alert_rows.events_of(tx, alert.id):
        plain = await tx.unseal(alert.patient, f"{_EVENT}|{event}", sealed)
        detail: Mapping[str, Any] = fhir_json.read(plain)
        found.append(Happened(at, kind, detail if measured else {}))
    return found


def _shown(detail: Mapping[str, Any], *, measured: bool) -> Mapping[str, Any]:
    """Return what of an alert's detail is for those who do, or do not, see what was `measured`."""
    if measured:
        return detail
    # Whether the machine itself raised it is no measurement.
    return {"reason": MACHINE_EVENT} if detail.get("reason") == MACHINE_EVENT else {}


def _alert_id(flag: Json) -> UUID:
    for identifier in flag.get("identifier", ()):
        if identifier.get("system") == ALERT_IDENTIFIER:
            with suppress(ValueError):
                return UUID(str(identifier.get("value")))
    raise NotFound("This Flag shows no alert of this server.")


def _patient(flag: Json) -> str | None:
    kind, _, id_ = str(flag["subject"]["reference"]).partition("/")
    return id_ if kind == "Patient" else None


def _incident(flag: Json) -> str | None:
    return next(
        (
            str(one["valueString"])
            for one in flag.get("extension", ())
            if one.get("url") == INCIDENT
        ),
        None,
    )
