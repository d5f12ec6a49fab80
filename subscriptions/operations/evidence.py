"""Flag/[id]/$evidence: everything about the incident of an alert, in one signed document.

For whoever may see the Flag; the document holds what the caller may see. `fhirserver evidence verify`,
or anybody with the public keys at ``/.well-known/evidence-keys.json``, can tell that it was not
changed.
"""

import base64
from collections.abc import Callable, Iterable
from typing import Final
from uuid import UUID

from fhirserver.interactions.context import Context
from fhirserver.interactions.operation import INSTANCE, Answer, Call, Operation
from fhirserver.kernel.resource import Json
from fhirserver.wire.canonical_json import canonical
from subscriptions.core.evidence import document, signed
from subscriptions.core.flag import SERVER_DEVICE, evidence_in
from subscriptions.response.incident_record import Explained, explain, matches, readable

Sign = Callable[[bytes], str]
# A plan is named by its canonical, everything else by a reference.
_PLAN: Final = "/PlanDefinition/"
_VERSIONS_BACK: Final = 50


def evidence_operation(sign: Sign) -> Operation:
    """Return the operation; `sign` returns the detached JWS of bytes."""

    async def evidence(context: Context, call: Call) -> Answer:
        """Return a Bundle of type document. Raises `NotFound`, `Gone`, `Forbidden`."""
        explained = await explain(context, call.id)
        content = await _content(context, explained)
        async with context.store.transaction(context.tenant) as tx:
            now, identity = tx.now, str(UUID(tx.new_id(None)))
        bundle = document(
            str(explained.alert.incident),
            str(explained.flag["subject"]["reference"]),
            content,
            base=context.base,
            title=f"Incident of {explained.alert.raised:%Y-%m-%d %H:%M:%S} UTC",
            identity=identity,
            now=now,
        )
        data = base64.b64encode(sign(canonical(bundle)).encode()).decode()
        return Answer(signed(bundle, data, now))

    return Operation("evidence", INSTANCE, frozenset({"Flag"}), affects_state=False, run=evidence)


async def _content(context: Context, explained: Explained) -> list[Json]:
    flags = [f"Flag/{one.flag}" for one in explained.incident if one.flag is not None]
    found = {
        reference: resource
        for reference in flags
        if (resource := await readable(context, reference)) is not None
    }
    measured = [one for flag in found.values() for one in evidence_in(flag)]
    found |= await _read(context, measured)
    for rule in dict.fromkeys(
        one.rule_version for one in explained.incident if one.rule_version is not None
    ):
        plan = await _plan(context, rule) if _PLAN in rule else await readable(context, rule)
        if plan is not None:
            found[rule] = plan
    found |= await _read(context, _involved(explained, found.values()))
    rest = [*explained.answering.tasks, *explained.answering.communications, explained.why]
    unique: dict[tuple[str, str], Json] = {}
    for place, resource in enumerate([*found.values(), *rest]):
        unique.setdefault((resource["resourceType"], str(resource.get("id", place))), resource)
    return list(unique.values())


async def _read(context: Context, references: Iterable[str]) -> dict[str, Json]:
    return {
        reference: resource
        for reference in dict.fromkeys(references)
        if (resource := await readable(context, reference)) is not None
    }


async def _plan(context: Context, canonical_url: str) -> Json | None:
    """Return the version of a PlanDefinition that a canonical names, also when it was replaced."""
    url, _, version = canonical_url.partition("|")
    for plan in await matches(context, "PlanDefinition", ("url", url)):
        newest = int(plan["meta"]["versionId"])
        for number in range(newest, max(0, newest - _VERSIONS_BACK), -1):
            one = await readable(context, f"PlanDefinition/{plan['id']}/_history/{number}")
            if one is not None and one.get("version") == version:
                return one
    return None


def _involved(explained: Explained, found: Iterable[Json]) -> list[str]:
    """Return who and what the incident is about: patient, team, devices, treatment."""
    involved = [str(explained.flag["subject"]["reference"]), f"Device/{SERVER_DEVICE}"]
    involved += [f"Device/{one.device}" for one in explained.incident if one.device is not None]
    for resource in (*explained.answering.tasks, *found):
        owner = str(resource.get("owner", {}).get("reference", ""))
        if owner.startswith("CareTeam/"):
            involved.append(owner)
        involved += [str(one["reference"]) for one in resource.get("partOf", ())
                     if str(one.get("reference", "")).startswith("Procedure/")]  # fmt: skip
    return involved
