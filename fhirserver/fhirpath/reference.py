"""What a literal reference says about its target, without fetching it.

Spec: https://hl7.org/fhir/R4/references.html#literal
"""

from typing import Any, NamedTuple


class Target(NamedTuple):
    """Where a reference points.

    `text` is ``Type/id`` for a relative reference, else the absolute URL or URN, never with a
    version. `type` is the resource type the text names, None when it names none; `id` likewise.
    """

    text: str
    type: str | None
    id: str | None


def parse_reference(reference: str) -> Target | None:
    """Return the target of a literal reference.

    None for a reference to a contained resource (``#id``), an empty one or one of no known form.
    """
    head, separator, _ = reference.partition("/_history/")
    if separator:
        reference = head
    parts = reference.rsplit("/", 2)
    if len(parts) == 2 and parts[0] and parts[1]:
        return Target(reference, parts[0], parts[1])
    if reference.startswith(("http://", "https://")):
        type_, id_ = parts[-2:]
        if type_[:1].isupper() and type_.isalpha() and id_:
            return Target(reference, type_, id_)
        return Target(reference, None, None)
    if reference.startswith("urn:"):
        return Target(reference, None, None)
    return None


def type_of_reference(value: Any) -> str | None:
    """Return the resource type a Reference (or a canonical, or an inline resource) points to."""
    if isinstance(value, str):
        target = parse_reference(value)
        return target.type if target is not None else None
    if not isinstance(value, dict):
        return None
    inline = value.get("resourceType")
    if isinstance(inline, str):
        return inline
    reference = value.get("reference")
    if isinstance(reference, str):
        target = parse_reference(reference)
        if target is not None and target.type is not None:
            return target.type
    named = value.get("type")
    return named if isinstance(named, str) else None
