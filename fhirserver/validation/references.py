"""Whether a reference is one, and points at a type its element allows.

Literal references take four shapes: relative ("Patient/123", with or without a version),
absolute (a URL, or a URN inside bundles), local ("#id", into `contained`) and conditional
("Patient?identifier=...", in transactions). Where the target's type can be read off the
reference it must be one the definition names; nobody looks whether the target exists.

Spec: https://hl7.org/fhir/R4/references.html#literal
"""

import re
from collections.abc import Callable
from typing import Any

from fhirserver.definitions import load
from fhirserver.validation.findings import Check, Finding, Findings, fault

_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}(/_history/[A-Za-z0-9\-.]{1,64})?").fullmatch
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:").match
_RESTFUL = re.compile(
    r"https?://[^?#]*/([A-Za-z]+)/[A-Za-z0-9\-.]{1,64}(?:/_history/[A-Za-z0-9\-.]{1,64})?"
).fullmatch


def reference_rule(targets: tuple[str, ...]) -> Check:
    """The check of a Reference object whose own elements are already known to be right."""
    known = frozenset(load().resource_types)
    allowed = _allowed(targets)

    def refuse(name: str, path: str) -> list[Finding]:
        choices = ", ".join(sorted(allowed))
        return fault("value", f"a reference to {name} is not allowed here, only to {choices}", path)

    def check_reference(value: dict[str, Any], _parent: object) -> Findings:
        reference = value.get("reference")
        stated = value.get("type")
        if reference is None:
            if stated in known and stated not in allowed:
                return refuse(stated, ".type")
            return None
        if type(reference) is not str:
            return None
        head, slash, rest = reference.partition("/")
        if head in allowed and slash and _ID(rest) is not None:
            name = head
        else:
            found, bad = _target(reference, known)
            if bad is not None:
                return bad
            if found is None:
                return None
            if found not in allowed:
                return refuse(found, ".reference")
            name = found
        if stated is not None and stated != name and stated in known:
            return fault("value", f"type says {stated}, the reference says {name}", ".type")
        return None

    return check_reference


def plain_reference(targets: tuple[str, ...]) -> Callable[[Any], bool]:
    """Whether a value is a Reference in the form met most, ``{"reference": "Type/id"}``, and right."""
    allowed = _allowed(targets)

    def is_plain(value: Any) -> bool:
        if type(value) is not dict or len(value) != 1:
            return False
        reference = value.get("reference")
        if type(reference) is not str:
            return False
        head, _slash, rest = reference.partition("/")
        if head not in allowed:
            return False
        quick = len(rest) <= 64 and rest.isascii() and rest.replace("-", "").isalnum()
        return quick or _ID(rest) is not None

    return is_plain


def _allowed(targets: tuple[str, ...]) -> frozenset[str]:
    if not targets or "Resource" in targets:
        return frozenset(load().resource_types)
    return frozenset(targets)


def _target(reference: str, known: frozenset[str]) -> tuple[str | None, Findings]:
    """The resource type a reference names, None where it does not say, and findings."""
    if reference.startswith("#"):
        if reference == "#":
            return None, None
        message = "ref-1: no contained resource has this id"
        return None, [Finding("invariant", message, ".reference", local=reference[1:])]
    if _SCHEME(reference) is not None:
        found = _RESTFUL(reference)
        name = found.group(1) if found is not None else None
        return (name if name in known else None), None
    head = re.split(r"[/?]", reference, maxsplit=1)[0]
    rest = reference[len(head) :]
    if head in known and (rest.startswith("?") or (rest and _ID(rest[1:]) is not None)):
        return head, None
    if rest.startswith("/") and head not in known:
        return None, fault("value", "the reference names no FHIR R4 resource type", ".reference")
    return None, fault(
        "value", "a reference is Type/id, an absolute URL, a URN, or # and an id", ".reference"
    )
