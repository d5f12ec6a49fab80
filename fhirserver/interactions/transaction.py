"""transaction: all entries of a Bundle, or none of them.

Spec: https://hl7.org/fhir/R4/http.html#transaction, https://hl7.org/fhir/R4/http.html#trules
"""

import base64
import binascii
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, ParamSpec, TypeVar

from fhirserver.interactions.admission import ID, require_type, require_valid
from fhirserver.interactions.admitting import admitted
from fhirserver.interactions.authorize import require_role, require_writable
from fhirserver.interactions.bundle import Entry, at_entry, in_order, pairs_of, require_distinct
from fhirserver.interactions.bundle_references import (
    conditional_references,
    resolved,
    subject_of,
)
from fhirserver.interactions.conditional import Criteria, criteria, the_match
from fhirserver.interactions.context import Context
from fhirserver.interactions.delete import deleted, require_nothing_expected
from fhirserver.interactions.patch import Change, patched
from fhirserver.interactions.update import (
    Expected,
    made_anew,
    replaced,
    require_may_put,
    with_id,
)
from fhirserver.kernel.errors import (
    BadRequest,
    FhirError,
    NotFound,
    PreconditionFailed,
    Problem,
    Unprocessable,
)
from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.resource import Json, Stored
from fhirserver.wire import fhir_json

Given = ParamSpec("Given")
Result = TypeVar("Result")

_BINARY_PATCHES: Final[Mapping[str, Literal["json-patch", "merge-patch"]]] = {
    "application/json-patch+json": "json-patch",
    "application/merge-patch+json": "merge-patch",
}
MAX_CONDITIONAL_REFERENCES: Final = 1000


@dataclass(frozen=True, slots=True)
class Done:
    """What came of an entry: `stored` is None for the deletion of what was not there.

    `created`: there is something that was not there before. `existing`: a create that found what it would have made.
    `warnings` is what was found wrong with the content without refusing it.
    """

    entry: Entry
    stored: Stored | None
    created: bool = False
    existing: bool = False
    warnings: Sequence[Problem] = ()


@dataclass(slots=True)
class _Target:
    """An entry and the resource it is about; `id` "" until it is known, and for what has to be made by an update."""

    entry: Entry
    type: str
    id: str = ""
    wanted: Criteria | None = None
    found: Stored | None = None
    resource: Json = field(default_factory=dict)
    is_new: bool = False
    warnings: Sequence[Problem] = ()

    @property
    def reference(self) -> str:
        return f"{self.type}/{self.id}"


async def transaction(context: Context, entries: Sequence[Entry]) -> list[Done]:
    """Carry out the writing `entries`, together, and return what came of each, in their order.

    The first refusal of any entry is that of the whole, located in its entry: `BadRequest`, `Forbidden`, `NotFound`,
    `PreconditionFailed`, `Unprocessable` (every problem of every resource), `Conflict`.
    """
    require_distinct(entries)
    targets = [_located(_target, entry.place, context, entry) for entry in in_order(entries)]
    conditions = await _conditional_references(context, entries)

    async def work(tx: Transaction) -> list[Done]:
        return await _run(context, tx, targets, conditions)

    done = await context.store.write(context.tenant, work)
    return sorted(done, key=lambda one: one.entry.index)


def _target(context: Context, entry: Entry) -> _Target:
    """Return what `entry` is about, once it is clear that it can be asked for at all."""
    type_, _, id_ = entry.path.partition("/")
    if not context.definitions.is_resource_type(type_) or "/" in id_ or type_.startswith("$"):
        message = "A transaction writes resources by Type, Type/id or Type?condition."
        raise BadRequest(message, expression=f"{entry.place}.request.url")
    if id_ and ID.fullmatch(id_) is None:
        raise BadRequest("The url has no usable id.", expression=f"{entry.place}.request.url")
    if entry.method == "POST":
        if id_ or entry.query:
            message = "A create is a POST to the type."
            raise BadRequest(message, expression=f"{entry.place}.request.url")
        require_role(context, "create", type_)
        condition = entry.conditions.get("ifNoneExist")
        wanted = None if condition is None else criteria(context, type_, pairs_of(condition))
        require_type(entry.resource or {}, type_)
        return _Target(entry, type_, wanted=wanted)
    if bool(id_) == bool(entry.query):
        message = f"{entry.method} needs an id or a condition."
        raise BadRequest(message, expression=f"{entry.place}.request.url")
    wanted = criteria(context, type_, entry.pairs) if entry.query else None
    if entry.method == "DELETE":
        require_role(context, "delete", type_)
    elif entry.method == "PATCH":
        require_role(context, "update", type_)
    else:
        require_type(entry.resource or {}, type_)
        require_may_put(context, type_)
        if id_ and (entry.resource or {}).get("id") != id_:
            raise BadRequest("The resource has another id than the url.", expression=f"{type_}.id")
    return _Target(entry, type_, id_, wanted)


async def _conditional_references(
    context: Context, entries: Iterable[Entry]
) -> dict[str, tuple[Criteria, Entry]]:
    wanted: dict[str, tuple[Criteria, Entry]] = {}
    for entry in entries:
        for text in conditional_references(entry.resource or {}):
            if text in wanted:
                continue
            if len(wanted) >= MAX_CONDITIONAL_REFERENCES:
                message = (
                    f"A transaction may have {MAX_CONDITIONAL_REFERENCES} conditional references."
                )
                raise BadRequest(message)
            type_, _, query = text.partition("?")
            if not context.definitions.is_resource_type(type_):
                message = "A conditional reference names no resource type."
                raise BadRequest(message, expression=f"{entry.place}.resource")
            wanted[text] = (_located(criteria, entry.place, context, type_, pairs_of(query)), entry)
    return wanted


async def _run(
    context: Context,
    tx: Transaction,
    targets: Sequence[_Target],
    conditions: dict[str, tuple[Criteria, Entry]],
) -> list[Done]:
    await tx.claim([one.wanted.claim for one in targets if one.wanted is not None])
    links: dict[str, str] = {}
    for text, (wanted, entry) in conditions.items():
        links[text] = await _referenced(context, wanted, entry)
    for target in targets:
        await _find(context, target)
    _require_one_write_each(targets)
    _reserve(tx, targets, links)
    for target in targets:
        entry = target.entry
        if entry.resource is not None and target.id:
            target.resource = resolved(target.resource, links, entry.full_url, entry.place)
    _require_all_valid(context, targets)
    await tx.lock([(one.type, one.id) for one in targets if one.id and one.entry.method != "POST"])
    done = []
    for target in targets:
        try:
            done.append(await _carry_out(context, tx, target))
        except FhirError as error:
            raise at_entry(error, target.entry.place) from error
    return done


async def _referenced(context: Context, wanted: Criteria, entry: Entry) -> str:
    try:
        found = await the_match(context, wanted)
    except FhirError as error:
        raise at_entry(error, entry.place) from error
    if found is None:
        message = f"No {wanted.type} meets the condition of a reference."
        raise PreconditionFailed(message, expression=f"{entry.place}.resource")
    return found.reference


async def _find(context: Context, target: _Target) -> None:
    """Find what the condition of an entry names; start from the resource as it came."""
    entry = target.entry
    target.resource = entry.resource or {}
    target.found, target.is_new = None, False
    if target.wanted is None:
        if entry.method == "POST":
            target.id = ""
        return
    try:
        target.found = await the_match(context, target.wanted)
        target.id = "" if target.found is None else target.found.id
        if entry.method == "PUT":
            if target.found is not None:
                target.resource = with_id(target.resource, target.found.id)
            else:
                target.id = str(target.resource.get("id", ""))
    except FhirError as error:
        raise at_entry(error, entry.place) from error
    if entry.method == "PATCH" and target.found is None:
        message = f"No {target.type} meets the condition."
        raise NotFound(message, expression=entry.place)


def _require_one_write_each(targets: Iterable[_Target]) -> None:
    written: set[str] = set()
    for target in targets:
        if not target.id:
            continue
        if target.reference in written:
            message = "Two entries of a transaction are about the same resource."
            raise BadRequest(message, expression=f"{target.entry.place}.request.url")
        written.add(target.reference)


def _reserve(tx: Transaction, targets: Sequence[_Target], links: dict[str, str]) -> None:
    """Give every new resource its id, patients first: where the others lie depends on theirs."""
    for target in targets:
        if target.id and target.entry.full_url:
            links[target.entry.full_url] = target.reference
    new = [one for one in targets if not one.id and one.entry.method in ("POST", "PUT")]
    for target in sorted(new, key=lambda one: one.type != "Patient"):
        entry = target.entry
        target.is_new = True
        target.resource = {name: one for name, one in target.resource.items() if name != "id"}
        about = subject_of(target.resource, links, entry.full_url)
        target.id = tx.reserve(about)
        if entry.full_url:
            links[entry.full_url] = target.reference


def _require_all_valid(context: Context, targets: Iterable[_Target]) -> None:
    problems: list[Problem] = []
    for target in sorted(targets, key=lambda one: one.entry.index):
        if target.entry.method == "PUT" or target.is_new:
            try:
                target.warnings = require_valid(target.resource, context.definitions)
            except Unprocessable as refusal:
                problems += at_entry(refusal, target.entry.place).problems
    if problems:
        raise Unprocessable(
            "The transaction holds resources that are not valid.", problems=problems
        )


async def _carry_out(context: Context, tx: Transaction, target: _Target) -> Done:
    entry = target.entry
    match entry.method:
        case "DELETE":
            if not target.id:
                require_nothing_expected(entry.if_match)
                return Done(entry, None)
            return Done(entry, await deleted(context, tx, target.type, target.id, entry.if_match))
        case "POST":
            if target.found is not None:
                return Done(entry, target.found, existing=True)
            require_writable(context, "create", target.resource)
            allowed = await admitted(context, tx, target.resource, None)
            stored = await tx.put(allowed, id_=target.id)
            return Done(entry, stored, created=True, warnings=target.warnings)
        case "PATCH":
            change = _change(target)
            expected = Expected(entry.if_match)
            result = await patched(context, tx, target.type, target.id, change, expected)
            return Done(entry, result.stored, warnings=result.warnings)
    absent = entry.conditions.get("ifNoneMatch") == "*"
    expected = Expected(entry.if_match, absent=absent)
    if target.wanted is not None and target.found is None:
        result = await made_anew(context, tx, target.resource, expected, target.id)
    else:
        result = await replaced(context, tx, target.id, target.resource, expected)
    return Done(entry, result.stored, created=result.created, warnings=target.warnings)


def _change(target: _Target) -> Change:
    """Return the patch an entry carries: Parameters, or a Binary with the patch in it."""
    resource = target.resource
    if resource.get("resourceType") == "Parameters":
        return Change("fhirpath-patch", resource)
    kind = _BINARY_PATCHES.get(str(resource.get("contentType", "")).partition(";")[0].strip())
    if resource.get("resourceType") != "Binary" or kind is None:
        message = "A patch is Parameters (FHIRPath Patch), or a Binary with a JSON Patch or a Merge Patch."
        raise BadRequest(message)
    try:
        content = base64.b64decode(str(resource.get("data", "")), validate=True)
    except binascii.Error:
        raise BadRequest("The Binary's data is not base64.") from None
    document = fhir_json.read_value(content)
    if kind == "merge-patch" and not isinstance(document, dict):
        raise BadRequest("A Merge Patch is a JSON object.")
    return Change(kind, document)


def _located(
    read: Callable[Given, Result], place: str, *given: Given.args, **named: Given.kwargs
) -> Result:
    """Return what `read` returns; its refusal names the entry at `place`."""
    try:
        return read(*given, **named)
    except FhirError as error:
        raise at_entry(error, place) from error
