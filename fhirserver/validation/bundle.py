"""References within a Bundle, and the identity of its entries.

A fullUrl must not contradict the id of its resource. A URN names nothing outside the Bundle, so one
that no entry has as its fullUrl leads nowhere: a warning, for the sender may know what it is.

Spec: https://hl7.org/fhir/R4/bundle.html#references, https://hl7.org/fhir/R4/bundle.html#Bundle.entry.fullUrl
"""

import re
from collections.abc import Iterator
from typing import Any

from fhirserver.validation.findings import Finding, Findings, Json

ANSWERS = ("searchset", "history", "batch-response", "transaction-response")
"""Bundles of what a server holds: their references are to the server, not to each other."""

_RESTFUL = re.compile(r"https?://.*/([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})").fullmatch


def check_bundle(bundle: Json) -> Findings:
    """Findings about the entries of a Bundle, whose own elements are checked elsewhere."""
    entries = bundle.get("entry")
    if type(entries) is not list:
        return None
    found: list[Finding] = []
    urls: set[str] = set()
    for index, entry in enumerate(entries):
        if type(entry) is not dict or type(entry.get("fullUrl")) is not str:
            continue
        urls.add(entry["fullUrl"])
        if _contradicts(entry["fullUrl"], entry.get("resource")):
            message = "fullUrl and the id of the resource are not the same"
            found.append(Finding("value", message, f".entry[{index}].fullUrl"))
    if bundle.get("type") not in ANSWERS:
        for index, entry in enumerate(entries):
            if type(entry) is dict:
                place = f".entry[{index}].resource"
                for path in _dangling(entry.get("resource"), urls, place):
                    message = "no entry of this Bundle has this URN as its fullUrl"
                    found.append(Finding("not-found", message, path, severity="warning"))
    return found or None


def _contradicts(url: str, resource: Any) -> bool:
    named = _RESTFUL(url)
    if named is None or type(resource) is not dict or type(resource.get("id")) is not str:
        return False
    return named[1] == resource.get("resourceType") and named[2] != resource["id"]


def _dangling(value: Any, urls: set[str], place: str) -> Iterator[str]:
    if type(value) is dict:
        reference = value.get("reference")
        if (
            type(reference) is str
            and reference.startswith(("urn:uuid:", "urn:oid:"))
            and reference.partition("#")[0] not in urls
        ):
            yield f"{place}.reference"
        for key, inner in value.items():
            if type(inner) is dict or type(inner) is list:
                yield from _dangling(inner, urls, f"{place}.{key}")
    elif type(value) is list:
        for index, inner in enumerate(value):
            yield from _dangling(inner, urls, f"{place}[{index}]")
