"""What a message means of what is known: resources found by identifiers, never by a name.

A patient is looked for by every identifier of the message. Records that were merged into another stand for that one;
when two different patients are left, the message contradicts what is known and is refused. Everything else is found by
the first search that finds something.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from adapters.hl7v2.mapping.mapped import Mapped, MappedResource
from adapters.hl7v2.merging import heir_of
from fhirserver.auth import visible
from fhirserver.interactions.bundle import pairs_of
from fhirserver.interactions.conditional import Criteria, criteria
from fhirserver.interactions.context import Context
from fhirserver.kernel.errors import Conflict, PreconditionFailed
from fhirserver.kernel.ports import Transaction

_PATIENT = "Patient"
_DEEPEST = 20


@dataclass(frozen=True, slots=True)
class Searches:
    """Every search of a message, read: by the type and the text of it."""

    criteria: Mapping[tuple[str, str], Criteria]

    @property
    def claims(self) -> list[tuple[str, str]]:
        """What to claim before looking."""
        return [one.claim for one in self.criteria.values()]


def searches_of(context: Context, mapped: Mapped) -> Searches:
    """Return the searches of `mapped`. Raises `BadRequest` for one that is none, `Forbidden` for types not to be seen."""
    wanted = [(one.type, text) for one in mapped.resources for text in one.match]
    wanted += [(_PATIENT, text) for merge in mapped.merges for text in merge.retired]
    return Searches(
        {(type_, text): criteria(context, type_, pairs_of(text)) for type_, text in wanted}
    )


async def found_by(context: Context, wanted: Criteria) -> list[str]:
    """Return the ids of all resources that meet `wanted` and that the sender may see."""
    found: list[str] = []
    query = wanted.query
    while True:
        page = await context.store.search(context.access, query)
        found += [
            one.id
            for one in page.entries
            if one.type == wanted.type and visible(context.access, one.type, one.content)
        ]
        if page.cursor is None:
            return found
        query = replace(query, cursor_key=page.cursor)


async def one_of(context: Context, made: MappedResource, searches: Searches) -> str | None:
    """Return the id of the resource that `made` is about, None where there is none yet.

    Raises `PreconditionFailed` when a search finds several.
    """
    for text in made.match:
        found = await found_by(context, searches.criteria[made.type, text])
        if len(found) > 1:
            message = f"Several {made.type} resources have this identifier; nothing was done."
            raise PreconditionFailed(message)
        if found:
            return found[0]
    return None


async def patients_by(context: Context, texts: Iterable[str], searches: Searches) -> list[str]:
    """Return the ids of all Patients that any of these searches finds."""
    found: dict[str, None] = {}
    for text in texts:
        found.update(dict.fromkeys(await found_by(context, searches.criteria[_PATIENT, text])))
    return list(found)


async def the_patient(
    tx: Transaction, candidates: Iterable[str], ending: Sequence[str] = ()
) -> str | None:
    """Return the id of the one patient the `candidates` stand for, None without any; those `ending` are not meant.

    Raises `Conflict` when two are left, or when the one that is left is about to end.
    """
    left = {await heir(tx, one) for one in candidates if one not in ending}
    if len(left) > 1:
        message = "The identifiers of this message belong to different patients; nothing was done."
        raise Conflict(message)
    survivor = next(iter(left), None)
    if survivor is not None and survivor in ending:
        message = "The record that shall go on has ended in the other one already."
        raise Conflict(message)
    return survivor


async def heir(tx: Transaction, patient: str) -> str:
    """Return the id of the Patient that stands for `patient` now: itself, unless it was merged into another."""
    for _ in range(_DEEPEST):
        known = await tx.get(_PATIENT, patient)
        following = None if known is None else heir_of(known)
        if following is None:
            return patient
        patient = following
    message = "Records of patients replace each other in a circle."
    raise Conflict(message)
