"""What a message says, carried out: all of its resources in one transaction, or none of them.

Found by identifiers, put together with what is known (`joining`), validated, written with the sender's access, and told
of by one Provenance that names the message. The same message again changes nothing.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from adapters.hl7v2.finding import (
    Searches,
    heir,
    one_of,
    patients_by,
    searches_of,
    the_patient,
)
from adapters.hl7v2.joining import is_older, joined, new
from adapters.hl7v2.mapping.mapped import BY_NAME, Mapped, MappedResource, Merge
from adapters.hl7v2.merging import ended, going_on, heir_of, with_former
from adapters.hl7v2.provenance import Source, provenance
from fhirserver.auth.scopes import read_scopes
from fhirserver.definitions.patient_of import patients_of
from fhirserver.interactions.admission import require_valid
from fhirserver.interactions.bundle_references import rewritten
from fhirserver.interactions.context import Context
from fhirserver.interactions.update import Expected, made_anew, replaced
from fhirserver.kernel.errors import Conflict
from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.principal import Access, Principal
from fhirserver.kernel.resource import Json, Stored

_SCOPES: Final = ("system/*.crus",)


@dataclass(frozen=True, slots=True)
class Applied:
    """What came of a message: what was `stored`, what the sender or an operator should know (`told`), and the ids of
    the `patients` it is about.
    """

    stored: tuple[Stored, ...]
    told: tuple[str, ...] = ()
    patients: tuple[str, ...] = ()


@dataclass(slots=True)
class _Target:
    """A resource of the message and the one it is about: `id`, which is reserved where there is none yet (`is_new`).

    `ending` are the ids of the patients that end in this one, `former` searches by identifiers nobody is known by.
    """

    made: MappedResource
    id: str = ""
    is_new: bool = False
    ending: list[str] = field(default_factory=list)
    former: list[str] = field(default_factory=list)

    @property
    def reference(self) -> str:
        return f"{self.made.type}/{self.id}"


@dataclass(slots=True)
class _Run:
    """One attempt to carry out a message."""

    context: Context
    tx: Transaction
    moment: datetime | None
    links: dict[str, str] = field(default_factory=dict)
    stored: list[Stored] = field(default_factory=list)
    told: list[str] = field(default_factory=list)


Work = Callable[[Transaction], Awaitable[Applied]]


def access_of(tenant: int, sender: str) -> Access:
    """Return what messages of `sender` may touch: every patient of `tenant`, as a program that deletes nothing."""
    principal = Principal(tenant, "client", f"hl7v2:{sender}")
    return Access(
        principal, everything=False, tenant_wide=True, scopes=read_scopes(_SCOPES).resources
    )


def apply(context: Context, mapped: Mapped, source: Source) -> Work:
    """Return the work that carries out what `mapped` says, for a transaction that may run it anew.

    It claims what it looks for before it locks anything. It and this raise a `FhirError` when the message is refused:
    `Unprocessable` (not valid), `Conflict` (its identifiers are those of different patients, or of somebody else's
    resource), `PreconditionFailed` (several have an identifier), `Forbidden`.
    """
    searches = searches_of(context, mapped)

    async def work(tx: Transaction) -> Applied:
        await tx.claim(searches.claims)
        run = _Run(context, tx, mapped.moment or source.sent)
        targets = await _located(run, mapped, searches)
        ending = [one for target in targets for one in target.ending]
        await tx.lock(
            [(one.made.type, one.id) for one in targets if not one.is_new]
            + [("Patient", one) for one in ending]
        )
        for target in targets:
            await _carry_out(run, target)
        for target in targets:
            for one in target.ending:
                await _end(run, one, target.id)
        patients = [one.id for one in targets if one.made.type == "Patient"]
        return await _accounted_for(run, source, tuple(dict.fromkeys((*patients, *ending))))

    return work


async def _located(run: _Run, mapped: Mapped, searches: Searches) -> list[_Target]:
    """Find what every resource of the message is about, patients first; those that are new get their ids."""
    targets: list[_Target] = []
    by_thing: dict[tuple[str, object], _Target] = {}
    for made in sorted(mapped.resources, key=lambda one: one.type != "Patient"):
        target = _Target(made)
        if made.type == "Patient":
            await _locate_patient(run, target, mapped.merges, searches)
        else:
            target.id = await one_of(run.context, made, searches) or ""
        same = by_thing.setdefault((made.type, target.id or made.match or made.name), target)
        if same is not target:
            # The message speaks of one thing twice: what it says last stands.
            same.made = replace(same.made, content={**same.made.content, **made.content})
            run.links[BY_NAME + made.name] = same.reference
            continue
        if not target.id:
            target.is_new = True
            target.id = run.tx.reserve(_linked(made.content, run.links))
        run.links[BY_NAME + made.name] = target.reference
        targets.append(target)
    return targets


async def _locate_patient(
    run: _Run, target: _Target, merges: Iterable[Merge], searches: Searches
) -> None:
    retired = [
        text for merge in merges if merge.survivor == target.made.name for text in merge.retired
    ]
    if not {*retired}.isdisjoint(target.made.match):
        raise Conflict("A record cannot end in itself; nothing was done.")
    ending: dict[str, None] = {}
    for text in retired:
        found = await patients_by(run.context, (text,), searches)
        ending.update(dict.fromkeys(found))
        if not found:
            target.former.append(text)
    candidates = await patients_by(run.context, target.made.match, searches)
    for one in candidates:
        # It is known by both names already: that merge was carried out.
        ending.pop(one, None)
    target.id = await the_patient(run.tx, candidates, tuple(ending)) or ""
    for one in ending:
        known = await run.tx.get("Patient", one)
        following = None if known is None else heir_of(known)
        if following is None:
            target.ending.append(one)
        elif await heir(run.tx, one) != target.id:
            raise Conflict("The record that shall end has ended in another one already.")


async def _carry_out(run: _Run, target: _Target) -> None:
    made = replace(
        target.made,
        content=_linked(target.made.content, run.links),
        initially=_linked(target.made.initially, run.links),
    )
    if target.is_new:
        resource = _merged(new(made, run.moment), target)
        require_valid(resource, run.context.definitions)
        result = await made_anew(run.context, run.tx, resource, Expected(), target.id)
        run.stored.append(result.stored)
        return
    current = await run.tx.current(made.type, target.id)
    if current is None or current.resource is None or _has_ended(current.resource):
        raise Conflict("Something this message is about has changed meanwhile; send it again.")
    known = current.resource
    made = replace(made, content=await _of_the_same(run, known, made.content))
    if made.mode in ("create", "refer"):
        resource = known
    else:
        if is_older(run.moment, known):
            run.told.append(f"{target.reference}: something newer is known")
        resource = joined(known, made, run.moment)
    resource = _merged(resource, target)
    if resource != known:
        await _replace(run, target.id, resource)


async def _end(run: _Run, patient: str, survivor: str) -> None:
    known = await run.tx.get("Patient", patient)
    if known is not None:
        await _replace(run, patient, ended(known, survivor))


async def _replace(run: _Run, id_: str, resource: Json) -> None:
    require_valid(resource, run.context.definitions)
    result = await replaced(run.context, run.tx, id_, resource, Expected())
    run.stored.append(result.stored)


async def _accounted_for(run: _Run, source: Source, patients: tuple[str, ...]) -> Applied:
    """Tell by a Provenance what the message wrote, with the `patients` it is about."""
    if run.stored:
        targets = dict.fromkeys(one.reference for one in run.stored)
        named = [one for one in run.links.values() if one.startswith("Patient/")]
        targets.update(dict.fromkeys(named))
        told = provenance(source, list(targets), run.moment, run.tx.now)
        require_valid(told, run.context.definitions)
        await made_anew(run.context, run.tx, told, Expected(), run.tx.reserve(told))
    return Applied(tuple(run.stored), tuple(run.told), patients)


async def _of_the_same(run: _Run, known: Json, content: Json) -> Json:
    """Return `content` about the patient that `known` is about; a record that was merged keeps what refers to it.

    Raises `Conflict` when they are different patients.
    """
    before, now = patients_of(known), patients_of(content)
    if known["resourceType"] == "Patient" or not now or before == now:
        return content
    for old in before:
        if await heir(run.tx, old) not in now:
            message = f"This {known['resourceType']} is known of another patient; nothing was done."
            raise Conflict(message)
    kept: Mapping[str, str] = {
        f"Patient/{await heir(run.tx, old)}": f"Patient/{old}" for old in before
    }
    return _linked(content, kept)


def _has_ended(known: Json) -> bool:
    return known["resourceType"] == "Patient" and heir_of(known) is not None


def _merged(resource: Json, target: _Target) -> Json:
    """Return `resource` with what a merge of patients says of the one that goes on."""
    if target.former:
        resource = with_former(resource, target.former)
    return going_on(resource, target.ending) if target.ending else resource


def _linked(content: Json, links: Mapping[str, str]) -> Json:
    found: Json = rewritten(
        content, lambda name, text: links.get(text, text) if name == "reference" else text
    )
    return found
