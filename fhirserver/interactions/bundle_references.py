"""References between the entries of a transaction, and to resources that a condition names. Pure.

The entries of a transaction point at each other by fullUrl, most often a ``urn:uuid:``, because their ids are not known
yet. When they are, every such link is replaced: in references, in elements that hold a URI, and in the links of
narratives. ``Patient?identifier=...`` as a reference stands for the one resource that meets the condition.

Spec: https://hl7.org/fhir/R4/http.html#trules, https://hl7.org/fhir/R4/bundle.html#references
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from fhirserver.definitions.patient_of import belongs_to
from fhirserver.kernel.errors import BadRequest
from fhirserver.kernel.resource import Json

_URN: Final = ("urn:uuid:", "urn:oid:")
_RESTFUL: Final = re.compile(r"(https?://.+)/[A-Z][A-Za-z]+/[A-Za-z0-9\-.]{1,64}")
_RELATIVE: Final = re.compile(r"[A-Z][A-Za-z]+/[A-Za-z0-9\-.]{1,64}")
_CONDITIONAL: Final = re.compile(r"[A-Z][A-Za-z]+\?.+", re.DOTALL)
_LINK: Final = re.compile(r"""((?:href|src)\s*=\s*)(["'])(urn:(?:uuid|oid):[^"']+)\2""")
# The value of an identifier names a thing of the world, even where it has the form of a URI.
_NAMES: Final = frozenset({"value", "valueString", "id", "text", "display"})

Rewrite = Callable[[str, str], str]
"""From the name of a property and its text to the text it shall have."""


def conditional_references(resource: Json) -> Iterator[str]:
    """Yield the texts of references that are searches: ``Patient?identifier=...``."""
    for name, text in _strings(resource, ""):
        if name == "reference" and "?" in text and _CONDITIONAL.fullmatch(text):
            yield text


def own_base(full_url: str) -> str:
    """Return the base of an entry whose fullUrl is that of a resource on a server, else ""."""
    found = _RESTFUL.fullmatch(full_url)
    return found[1] if found else ""


def resolved(resource: Json, links: Mapping[str, str], full_url: str, place: str) -> Json:
    """Return `resource` with its links to entries and conditions replaced; what is unchanged is shared with it.

    `links` maps fullUrls of entries and texts of conditional references to ``Type/id``; `full_url` is the entry's own,
    against which relative references are read. Raises `BadRequest`, with `place`, for a ``urn:`` reference that no
    entry has.
    """
    base = own_base(full_url)

    def rewrite(name: str, text: str) -> str:
        if name == "reference":
            return _reference(text, links, base, place)
        if name == "div":
            return _narrative(text, links) if "urn:" in text else text
        if name not in _NAMES and text.startswith(_URN):
            return links.get(text, text)
        return text

    found: Json = rewritten(resource, rewrite)
    return found


def subject_of(resource: Json, links: Mapping[str, str], full_url: str) -> Json:
    """Return as much of `resource` as says whose it is, with the `links` known by now replaced; others stay."""
    tops = {path.partition(".")[0] for path in belongs_to(resource["resourceType"]).paths}
    about = {name: value for name, value in resource.items() if name in tops}
    base = own_base(full_url)

    def rewrite(name: str, text: str) -> str:
        if name != "reference":
            return text
        return links.get(text) or links.get(f"{base}/{text}" if base else "", text)

    found: Json = rewritten(about, rewrite)
    return {"resourceType": resource["resourceType"], **found}


def rewritten(value: Any, rewrite: Rewrite, name: str = "") -> Any:
    """Return `value` with every string replaced by what `rewrite` says; parts without a change are shared."""
    if isinstance(value, str):
        return rewrite(name, value)
    if isinstance(value, dict):
        changed: Json | None = None
        for key, old in value.items():
            if isinstance(old, str | dict | list):
                new = rewritten(old, rewrite, key)
                if new is not old:
                    if changed is None:
                        changed = dict(value)
                    changed[key] = new
        return value if changed is None else changed
    if isinstance(value, list):
        items = [
            rewritten(old, rewrite, name) if isinstance(old, str | dict | list) else old
            for old in value
        ]
        if all(new is old for new, old in zip(items, value, strict=True)):
            return value
        return items
    return value


def _reference(text: str, links: Mapping[str, str], base: str, place: str) -> str:
    found = links.get(text)
    if found is not None:
        return found
    if text.startswith(_URN):
        message = "A reference points at an entry that is not in the Bundle."
        raise BadRequest(message, expression=f"{place}.resource")
    if base and _RELATIVE.fullmatch(text):
        return links.get(f"{base}/{text}", text)
    return text


def _narrative(text: str, links: Mapping[str, str]) -> str:
    return _LINK.sub(
        lambda found: f"{found[1]}{found[2]}{links.get(found[3], found[3])}{found[2]}", text
    )


def _strings(value: Any, name: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield name, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _strings(inner, key)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner, name)
