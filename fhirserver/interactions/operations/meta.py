"""$meta, $meta-add, $meta-delete: the profiles, tags and security labels of resources.

On an instance the three read and change one resource; a change is a new version like any other, so that
ETags, subscribers and the history see it. On a type or the whole server `$meta` collects what is in
use among the resources the caller may read; resources without any label are not looked at.

Spec: https://hl7.org/fhir/R4/resource-operation-meta.html,
https://hl7.org/fhir/R4/resource-operation-meta-add.html
"""

from collections.abc import Callable
from typing import Any, Final

from fhirserver.auth import may_ever, visible
from fhirserver.definitions.patient_of import belongs_to
from fhirserver.interactions.admission import require_valid
from fhirserver.interactions.admitting import admitted
from fhirserver.interactions.authorize import absent, require_role, require_writable
from fhirserver.interactions.context import Context
from fhirserver.interactions.operation import (
    CORE,
    INSTANCE,
    SYSTEM,
    TYPE,
    Answer,
    Call,
    Operation,
)
from fhirserver.interactions.operation_parameters import Input
from fhirserver.interactions.read import read
from fhirserver.interactions.search import search
from fhirserver.kernel.errors import BadRequest, Gone, TooCostly
from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.resource import Json
from fhirserver.wire import fhir_json

# Resources with a label that one call on a type or the server looks at.
MOST_LABELLED: Final = 10_000
_PAGE: Final = "500"
_LABELS: Final = {"tag": "_tag", "security": "_security", "profile": "_profile"}

Change = Callable[[list[Any], list[Any]], list[Any]]


async def meta(context: Context, call: Call) -> Answer:
    """Return Parameters with `return`, a Meta. Raises `NotFound`, `Gone`, `Forbidden`, `TooCostly`."""
    if call.id:
        stored = await read(context, call.type, call.id)
        return _answer(fhir_json.read(stored.content).get("meta", {}))
    if call.type:
        require_role(context, "search", call.type)
        types: tuple[str, ...] = (call.type,)
    else:
        types = tuple(
            one
            for one in context.definitions.resource_types
            if may_ever(context.access, "search", one, belongs_to(one).kind)
        )
    found: Json = {}
    for element, parameter in _LABELS.items():
        values = await _in_use(context, types, element, parameter)
        if values:
            found[element] = values
    return _answer(found)


async def meta_add(context: Context, call: Call) -> Answer:
    """Add the labels of `meta` and return the Meta that results."""
    return await _change(context, call, _added)


async def meta_delete(context: Context, call: Call) -> Answer:
    """Remove the labels of `meta`, as far as they are there, and return the Meta that results."""
    return await _change(context, call, _removed)


async def _change(context: Context, call: Call, change: Change) -> Answer:
    given = call.parameters.structure("meta") or {}
    require_role(context, "update", call.type)

    async def work(tx: Transaction) -> Json:
        current = await tx.current(call.type, call.id, lock=True)
        if current is None:
            raise absent(call.type, call.id)
        if current.resource is None:
            if not context.access.everything:
                raise absent(call.type, call.id)
            message = f"{call.type}/{call.id} has been deleted."
            raise Gone(message)
        resource = current.resource
        if not visible(context.access, call.type, current.stored.content):
            raise absent(call.type, call.id)
        require_writable(context, "update", resource)
        old: Json = resource.get("meta", {})
        new = _changed(old, given, change)
        if new == old:
            return old
        whole = {**resource, "meta": new}
        require_valid(whole, context.definitions)
        allowed = await admitted(context, tx, whole, resource)
        stored = await tx.put(allowed, id_=call.id)
        result: Json = fhir_json.read(stored.content)["meta"]
        return result

    return _answer(await context.store.write(context.tenant, work))


def _changed(old: Json, given: Json, change: Change) -> Json:
    new = dict(old)
    for element in _LABELS:
        labels = given.get(element, [])
        if not isinstance(labels, list):
            message = f"meta.{element} is a list."
            raise BadRequest(message)
        values = change(old.get(element, []), labels)
        if values:
            new[element] = values
        else:
            new.pop(element, None)
    return new


def _added(old: list[Any], given: list[Any]) -> list[Any]:
    known = {_identity(one) for one in old}
    fresh = {_identity(one): one for one in given if _identity(one) not in known}
    return [*old, *fresh.values()]


def _removed(old: list[Any], given: list[Any]) -> list[Any]:
    gone = {_identity(one) for one in given}
    return [one for one in old if _identity(one) not in gone]


def _identity(label: Any) -> str:
    """Return what makes two labels the same: system and code, or the profile's canonical."""
    return repr((label.get("system"), label.get("code")) if isinstance(label, dict) else label)


async def _in_use(
    context: Context, types: tuple[str, ...], element: str, parameter: str
) -> list[Any]:
    """Return every value of `meta.element` in resources of `types`, sorted. Raises `TooCostly`."""
    found: dict[str, Any] = {}
    seen = 0
    cursor: str | None = None
    while True:
        pairs = [(parameter + ":missing", "false"), ("_count", _PAGE)]
        if cursor is not None:
            pairs.append(("_cursor", cursor))
        page = (await search(context, types, pairs)).page
        for stored in page.entries:
            for label in fhir_json.read(stored.content).get("meta", {}).get(element, ()):
                found.setdefault(_identity(label), label)
        seen += len(page.entries)
        cursor = page.cursor
        if cursor is None:
            return [found[one] for one in sorted(found)]
        if seen >= MOST_LABELLED:
            message = (
                f"More than {MOST_LABELLED} resources carry labels; ask for one type, "
                "or search with _tag, _security or _profile."
            )
            raise TooCostly(message)


def _answer(found: Json) -> Answer:
    # FHIR JSON has no empty objects.
    if not found:
        return Answer({"resourceType": "Parameters"})
    return Answer(
        {"resourceType": "Parameters", "parameter": [{"name": "return", "valueMeta": found}]}
    )


_META = Input("meta", "Meta", least=1)

META: Final = Operation(
    "meta",
    SYSTEM | TYPE | INSTANCE,
    None,
    affects_state=False,
    run=meta,
    definition=CORE + "Resource-meta",
)
META_ADD: Final = Operation(
    "meta-add",
    INSTANCE,
    None,
    affects_state=True,
    run=meta_add,
    inputs=(_META,),
    definition=CORE + "Resource-meta-add",
)
META_DELETE: Final = Operation(
    "meta-delete",
    INSTANCE,
    None,
    affects_state=True,
    run=meta_delete,
    inputs=(_META,),
    definition=CORE + "Resource-meta-delete",
)
