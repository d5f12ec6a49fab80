"""$expand: the codes of a value set, in pages.

The expansion is flat. Without `count` a value set of more than 1 000 codes is refused as too costly,
so that nobody takes a part for the whole; with it, `total` says how many there are.

Spec: https://hl7.org/fhir/R4/valueset-operation-expand.html
"""

from collections.abc import Iterable
from typing import Final

from fhirserver.interactions.context import Context
from fhirserver.interactions.operation import CORE, INSTANCE, TYPE, Answer, Call, Operation
from fhirserver.interactions.operation_parameters import Input, Parameters
from fhirserver.interactions.operations.terminology_input import loaded, value_set
from fhirserver.kernel.errors import BadRequest, TooCostly
from fhirserver.kernel.instant import instant
from fhirserver.kernel.resource import Json
from fhirserver.terminology import Member, NotEnumerableError
from fhirserver.terminology.judgement import preferred_display

UNPAGED: Final = 1_000  # codes without `count`
MAX_COUNT: Final = 5_000  # codes of one page; a larger `count` is taken as this one
MAX_WORDS: Final = 20  # words of a filter

_LANGUAGES: Final = "urn:ietf:bcp:47"
_VERSIONS: Final = ("system-version", "check-system-version", "force-system-version")

_ECHOED: Final = (
    ("filter", "valueString"),
    ("offset", "valueInteger"),
    ("count", "valueInteger"),
    ("activeOnly", "valueBoolean"),
    ("includeDesignations", "valueBoolean"),
    ("excludeNotForUI", "valueBoolean"),
    ("displayLanguage", "valueCode"),
)


async def expand(context: Context, call: Call) -> Answer:
    """Return the ValueSet with its expansion."""
    given = call.parameters
    _require_versions(context, given)
    source, members = await value_set(context, call)
    try:
        chosen = _chosen(members.listed(), given)
    except NotEnumerableError:
        message = "The value set is defined by a rule, not by a list: its codes cannot be listed."
        raise TooCostly(message) from None
    offset = _not_negative(given, "offset") or 0
    count = _not_negative(given, "count")
    if count is None and len(chosen) > UNPAGED:
        message = f"The value set has {len(chosen)} codes: use count and offset, or a filter."
        raise TooCostly(message)
    page = chosen[offset : offset + min(MAX_COUNT if count is None else count, MAX_COUNT)]
    expansion: Json = {
        "timestamp": instant(context.store.now()),
        "total": len(chosen),
        "offset": offset,
    }
    parameters: list[Json] = [
        {"name": name, element: given.one(name)} for name, element in _ECHOED if name in given
    ]
    parameters += [{"name": "used-codesystem", "valueUri": canonical} for canonical in members.used]
    if parameters:
        expansion["parameter"] = parameters
    if page:
        expansion["contains"] = [_row(one, given) for one in page]
    shown = ["url", "version", "name", "title"]
    if call.id:
        shown.insert(0, "id")
    if given.flag("includeDefinition"):
        shown.append("compose")
    head = {name: source[name] for name in shown if name in source}
    status = source.get("status", "active")
    result = {"resourceType": "ValueSet", **head, "status": status, "expansion": expansion}
    return Answer(result)


def _chosen(members: Iterable[Member], given: Parameters) -> list[Member]:
    words = (given.text("filter") or "").casefold().split()
    if len(words) > MAX_WORDS:
        message = f"A filter may have {MAX_WORDS} words."
        raise BadRequest(message)
    active_only, selectable = given.flag("activeOnly"), given.flag("excludeNotForUI")
    unwanted = frozenset(canonical.partition("|")[0] for canonical in given.texts("exclude-system"))
    return [
        one
        for one in members
        if one.system not in unwanted
        and not (active_only and one.inactive)
        and not (selectable and one.abstract)
        and (not words or _has(one, words))
    ]


def _has(member: Member, words: list[str]) -> bool:
    """Whether every word is part of the code, the display or a designation."""
    names = (row.get("value", "") for row in member.designations)
    text = "\n".join((member.code, member.display or "", *names)).casefold()
    return all(word in text for word in words)


def _row(member: Member, given: Parameters) -> Json:
    row: Json = {"system": member.system}
    if member.abstract:
        row["abstract"] = True
    if member.inactive:
        row["inactive"] = True
    if member.version is not None:
        row["version"] = member.version
    row["code"] = member.code
    display = preferred_display(member.display, member.designations, given.text("displayLanguage"))
    if display is not None:
        row["display"] = display
    designations = _designations(member, given)
    if designations:
        row["designation"] = designations
    return row


def _designations(member: Member, given: Parameters) -> list[Json]:
    """Return the designations wanted: all, or those of `designation` (system|code of use or language)."""
    tokens = frozenset(given.texts("designation"))
    if not given.flag("includeDesignations", default=bool(tokens)):
        return []
    return [row for row in member.designations if not tokens or not tokens.isdisjoint(_tokens(row))]


def _tokens(designation: Json) -> set[str]:
    use = designation.get("use", {})
    language = str(designation.get("language", ""))
    return {f"{use.get('system', '')}|{use.get('code', '')}", f"{_LANGUAGES}|{language}", language}


def _require_versions(context: Context, given: Parameters) -> None:
    """Raise `NotFound` when a code system is wanted in a version that is not loaded."""
    for name in _VERSIONS:
        for canonical in given.texts(name):
            url, _, version = canonical.partition("|")
            loaded(context, "CodeSystem").require_code_system(url, version or None)


def _not_negative(given: Parameters, name: str) -> int | None:
    number = given.number(name)
    if number is not None and number < 0:
        message = f"{name} is a whole number from 0."
        raise BadRequest(message)
    return number


EXPAND: Final = Operation(
    code="expand",
    levels=TYPE | INSTANCE,
    types=frozenset({"ValueSet"}),
    affects_state=False,
    run=expand,
    inputs=(
        Input("url", "uri"),
        Input("valueSet", "ValueSet", whole_body=True),
        Input("valueSetVersion"),
        Input("context", "uri"),
        Input("filter"),
        Input("offset", "integer"),
        Input("count", "integer"),
        Input("includeDesignations", "boolean"),
        Input("activeOnly", "boolean"),
        Input("excludeNested", "boolean"),
        Input("excludeNotForUI", "boolean"),
        Input("excludePostCoordinated", "boolean"),
        Input("contextDirection", "code"),
        Input("includeDefinition", "boolean"),
        Input("designation", most=None),
        Input("displayLanguage", "code"),
        Input("exclude-system", "canonical", most=None),
        *(Input(name, "canonical", most=None) for name in _VERSIONS),
    ),
    definition=CORE + "ValueSet-expand",
)
