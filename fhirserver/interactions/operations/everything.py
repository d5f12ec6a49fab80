"""$everything: the whole record of a patient, of the members of a group, or of an encounter, in pages.

Everything in the compartment comes as matches, page by page with the cursors of search; what those
refer to (practitioners, organizations, devices, medications) comes along with each page, as far as the
caller may read it. Without a patient in the URL it is the record of every patient of the caller.

`start` and `end` are about care: a resource with a date of its own must touch the range, one without
any always belongs. `_since` is about when the server stored it.

Spec: https://hl7.org/fhir/R4/patient-operation-everything.html,
https://hl7.org/fhir/R4/group-operation-everything.html,
https://hl7.org/fhir/R4/encounter-operation-everything.html
"""

from collections.abc import Sequence
from typing import Final

from fhirserver.auth import may_ever
from fhirserver.definitions.patient_of import belongs_to, patient_id
from fhirserver.interactions.context import Context
from fhirserver.interactions.operation import CORE, INSTANCE, TYPE, Answer, Call, Operation
from fhirserver.interactions.operation_parameters import Input
from fhirserver.interactions.read import read
from fhirserver.interactions.search import run
from fhirserver.kernel.errors import BadRequest, MethodNotAllowed, TooCostly
from fhirserver.kernel.resource import Json
from fhirserver.search.asked import MAX_COUNT, Include, Query, Wanted
from fhirserver.search.condition import Condition, IdValue, ReferenceValue
from fhirserver.search.criterion import AllOf, AnyOf, Criterion
from fhirserver.search.query import parse
from fhirserver.search.ranges import PRIMARY
from fhirserver.wire import fhir_json

COUNT: Final = 100
MOST_MEMBERS: Final = 1_000
# Dates of these types are about a person or a catalogue, not about care.
_NO_CARE_DATE: Final = frozenset({"Group", "Patient", "Person", "Practitioner", "RelatedPerson"})


async def everything(context: Context, call: Call) -> Answer:
    """Return a page of the record as a Bundle.

    Raises `NotFound` (absent or not for this caller), `Gone`, `Forbidden`, `BadRequest`, `TooCostly`
    (a Group with too many members).
    """
    compartment, owners = await _owners(context, call)
    query = Query(
        wanted=tuple(
            Wanted(type_, _where(context, call, type_, compartment, owners))
            for type_ in _types(context, call, compartment)
        ),
        count=min(call.parameters.number("_count") or COUNT, MAX_COUNT),
        cursor_key=call.parameters.text("_cursor"),
        includes=_includes(call),
        applied=_applied(call),
        scope=f"{call.type}/{call.id}",
    )
    return Answer(page=await run(context, query), query=query)


async def _owners(context: Context, call: Call) -> tuple[str, Sequence[str] | None]:
    """Return the compartment's type and whose they are; None: of everybody the caller may see."""
    if not call.id:
        if call.type != "Patient":
            message = f"{call.type}/$everything needs an id: {call.type}/[id]/$everything."
            raise MethodNotAllowed(message)
        return "Patient", None
    stored = await read(context, call.type, call.id)
    if call.type != "Group":
        return call.type, (call.id,)
    members = _members(fhir_json.read(stored.content))
    if len(members) > MOST_MEMBERS:
        message = f"The Group has more than {MOST_MEMBERS} patients; ask for smaller groups."
        raise TooCostly(message)
    return "Patient", members


def _members(group: Json) -> Sequence[str]:
    """Return the ids of the patients that are members now."""
    entities = (one.get("entity", {}) for one in group.get("member", ()) if not one.get("inactive"))
    found = (patient_id(entity.get("reference")) for entity in entities)
    return sorted({one for one in found if one is not None})


def _types(context: Context, call: Call, compartment: str) -> Sequence[str]:
    """Return the types to look at: those of the compartment that the caller names and may read."""
    possible = {*context.definitions.compartment(compartment), compartment}
    named = [one for text in call.parameters.texts("_type") for one in text.split(",")]
    for one in named:
        if one not in possible:
            message = f"_type: {one} is not in the {compartment} compartment."
            raise BadRequest(message)
    if named:
        return sorted(set(named))
    return sorted(
        one for one in possible if may_ever(context.access, "search", one, belongs_to(one).kind)
    )


def _where(
    context: Context, call: Call, type_: str, compartment: str, owners: Sequence[str] | None
) -> Criterion:
    parts: list[Criterion] = []
    if owners is not None:
        parts.append(_belongs(context, type_, compartment, owners))
    since = call.parameters.text("_since")
    if since is not None:
        parts.append(_parsed(context, type_, [("_lastUpdated", f"ge{since}")]))
    care = PRIMARY.get(type_)
    if care is not None and type_ not in _NO_CARE_DATE:
        bounds = [
            (care, prefix + text)
            for prefix, text in (
                ("ge", call.parameters.text("start")),
                ("le", call.parameters.text("end")),
            )
            if text is not None
        ]
        if bounds:
            undated = _parsed(context, type_, [(f"{care}:missing", "true")])
            parts.append(AnyOf((_parsed(context, type_, bounds), undated)))
    return AllOf(tuple(parts))


def _belongs(context: Context, type_: str, compartment: str, owners: Sequence[str]) -> Criterion:
    targets = ReferenceValue(
        tuple(
            form
            for one in owners
            for form in (f"{compartment}/{one}", f"{context.base}/{compartment}/{one}")
        )
    )
    members: list[Criterion] = [
        Condition(code, "reference", None, (targets,), "terms")
        for code in context.definitions.compartment(compartment).get(type_, ())
    ]
    if type_ == compartment:
        ids = tuple(IdValue(one) for one in owners)
        members.append(Condition("_id", "token", None, ids, "id"))
    return AnyOf(tuple(members))


def _parsed(context: Context, type_: str, pairs: Sequence[tuple[str, str]]) -> Criterion:
    return parse(type_, pairs, context.definitions, base=context.base).where


def _includes(call: Call) -> tuple[Include, ...]:
    """Return what comes along: all that is referred to, unless the caller wants certain types."""
    if "_type" in call.parameters:
        return ()
    return (Include(source=None, param=None, target=None, iterate=False, reverse=False),)


def _applied(call: Call) -> tuple[tuple[str, str], ...]:
    """Return the parameters as links repeat them: they also tell one search from another."""
    given = call.parameters
    pairs = [
        (name, text) for name in ("start", "end", "_since", "_type") for text in given.texts(name)
    ]
    for name in ("_count", "_cursor"):
        text = given.text(name)
        if text is not None:
            pairs.append((name, text))
    return tuple(pairs)


EVERYTHING: Final = Operation(
    "everything",
    TYPE | INSTANCE,
    frozenset({"Encounter", "Group", "Patient"}),
    affects_state=False,
    run=everything,
    inputs=(
        Input("start", "date"),
        Input("end", "date"),
        Input("_since", "instant"),
        Input("_type", "code", most=None),
        Input("_count", "positiveInt"),
        Input("_cursor", "string"),
    ),
    definition=CORE + "Patient-everything",
)
