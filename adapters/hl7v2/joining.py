"""What is known of a resource and what a message says of it, put together. Pure.

What the message does not speak of stays; what it says NULL of goes; what it says stands in the place of what was there,
but for four kinds of elements:

- identifiers: those of other assigners and earlier ones stay, so that everybody finds the resource again;
- periods: a start stays when only an end is told; a visit that goes on has no end;
- places of a visit: the last one ends and the new one follows it (A02);
- elements of several types (``deceased[x]``): only one of them can stand.

An older message than the last one adds identifiers and the bounds of periods nobody has told, and nothing else: what it
says otherwise was known to whoever said the newer thing. When that was stands in the extension ``hl7v2-as-of``.
"""

from datetime import datetime
from typing import Any, Final

from adapters.hl7v2.mapping.mapped import MappedResource
from fhirserver.kernel import canonical
from fhirserver.kernel.resource import Json

AS_OF: Final = canonical.BASE + "StructureDefinition/hl7v2-as-of"
_CHOICES: Final = ("deceased", "multipleBirth", "effective", "occurrence", "value")
# A visit in one of these states goes on.
_GOING_ON: Final = frozenset(("planned", "arrived", "triaged", "in-progress", "onleave"))


def as_of(resource: Json) -> datetime | None:
    """Return when what a sender last said of `resource` was recorded there, None where none did."""
    for one in resource.get("extension", ()):
        if one.get("url") == AS_OF:
            try:
                return datetime.fromisoformat(str(one.get("valueInstant")))
            except ValueError:
                return None
    return None


def is_older(moment: datetime | None, known: Json) -> bool:
    """Return whether what was recorded at `moment` is older than what is `known`; without a moment it is not."""
    last = as_of(known)
    return moment is not None and last is not None and moment < last


def new(made: MappedResource, moment: datetime | None) -> Json:
    """Return the resource that `made` is where nothing is known."""
    return _stamped({**made.content, **_missing(made.initially, made.content)}, moment)


def joined(known: Json, made: MappedResource, moment: datetime | None) -> Json:
    """Return what `known` becomes by what is `made` of a message recorded at `moment`."""
    if is_older(moment, known):
        return _filled(known, made.content)
    if made.mode == "replace":
        kept: Json = {name: one for name, one in known.items() if name in ("id", "meta")}
        found = {**kept, **made.content, "identifier": _identifiers(known, made.content)}
        return _stamped(_without_empty(found), moment)
    found = {name: value for name, value in known.items() if name not in made.cleared}
    if found.get("text", {}).get("status") != "additional":
        # A narrative of what was known would contradict what is.
        found.pop("text", None)
    for element, value in made.content.items():
        for other in _others(element, found):
            del found[other]
        found[element] = _element(known, element, value, made.content, moment)
    if known["resourceType"] == "Encounter" and found.get("status") in _GOING_ON:
        found["period"] = {**found.get("period", {})}
        found["period"].pop("end", None)
    return _stamped(_without_empty(found), moment)


def _element(known: Json, element: str, said: Any, content: Json, moment: datetime | None) -> Any:
    if element == "identifier" and isinstance(said, list):
        return _identifiers(known, content)
    if element == "period" and isinstance(known.get("period"), dict):
        return {**known["period"], **said}
    if (known["resourceType"], element) == ("Encounter", "location"):
        return _places(known.get("location", []), said, moment)
    return said


def _identifiers(known: Json, content: Json) -> list[Json]:
    said = {_name_of(one): one for one in content.get("identifier", [])}
    kept = [one for one in known.get("identifier", []) if _name_of(one) not in said]
    return [*said.values(), *kept]


def _name_of(identifier: Json) -> tuple[Any, Any]:
    return identifier.get("system"), identifier.get("value")


def _places(known: list[Json], said: list[Json], moment: datetime | None) -> list[Json]:
    """Return where the visit was and is."""
    ends = [one for one in known if one.get("status") != "active"]
    active = [one for one in known if one.get("status") == "active"]
    if [one.get("location") for one in active] == [one.get("location") for one in said]:
        return known
    at = {} if moment is None else {"at": moment.isoformat()}
    for one in active:
        period = {**one.get("period", {}), **({"end": at["at"]} if at else {})}
        ends.append({**one, "status": "completed", **({"period": period} if period else {})})
    begun = [{**one, **({"period": {"start": at["at"]}} if at else {})} for one in said]
    return [*ends, *begun]


def _filled(known: Json, content: Json) -> Json:
    found = {**known, "identifier": [*known.get("identifier", [])]}
    names = {_name_of(one) for one in found["identifier"]}
    said = content.get("identifier", [])
    if isinstance(said, list):
        found["identifier"] += [one for one in said if _name_of(one) not in names]
    period = content.get("period")
    if isinstance(period, dict):
        wanted = {**period}
        if known.get("status") in _GOING_ON:
            wanted.pop("end", None)
        found["period"] = {**wanted, **known.get("period", {})}
    return _without_empty(found)


def _others(element: str, found: Json) -> list[str]:
    """Return the elements of `found` that stand for the same choice as `element`, of another type."""
    prefix = next((one for one in _CHOICES if element.startswith(one)), None)
    if prefix is None:
        return []
    return [
        one
        for one in found
        if one != element and one.startswith(prefix) and one[len(prefix) :][:1].isupper()
    ]


def _missing(initially: Json, content: Json) -> Json:
    return {name: value for name, value in initially.items() if name not in content}


def _stamped(resource: Json, moment: datetime | None) -> Json:
    if moment is None:
        return resource
    others = [one for one in resource.get("extension", []) if one.get("url") != AS_OF]
    stamp = {"url": AS_OF, "valueInstant": moment.isoformat(timespec="milliseconds")}
    return {**resource, "extension": [*others, stamp]}


def _without_empty(resource: Json) -> Json:
    return {name: value for name, value in resource.items() if value not in ({}, [])}
