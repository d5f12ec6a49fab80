"""What the shipped mappings make of a message, with every resource validated."""

from functools import cache
from typing import Any

from adapters.hl7v2 import sites
from adapters.hl7v2.mapping.mapped import Mapped
from adapters.hl7v2.routing import Interpreted, interpret
from fhirserver import definitions
from fhirserver.interactions.admission import REFUSED, content_problems
from fhirserver.wire.hl7v2.message import read

KNOWN = definitions.load()
AUTHORITY = "https://w3id.org/fhirserver/NamingSystem/hl7v2/"
PID = "PID|1||MRN-7^^^CLINIC^MR||Doe^Ann||19610402|F"


@cache
def _loaded(site: bytes) -> sites.Sites:
    return sites.load([("site", site)] if site else [], unknown="accept")


def interpreted(kind: str, *segments: str, site: bytes = b"") -> Interpreted:
    """Interpret a message by the shipped mappings, and those of `site` over them."""
    found = _loaded(site)
    header = f"MSH|^~\\&|LAB|HOSPITAL|||20260801093000+0000||{kind}|1|P|2.5.1"
    return interpret(read("\r".join([header, *segments])), found.senders[-1], found.plans)


def mapped(kind: str, *segments: str, site: bytes = b"") -> Mapped:
    """Return what a message becomes; every resource is valid R4, its references aside."""
    found = interpreted(kind, *segments, site=site)
    assert found.refusal is None, found.refusal
    assert found.mapped is not None
    for one in found.mapped.resources:
        whole = {**one.content, **{k: v for k, v in one.initially.items() if k not in one.content}}
        wrong = [p for p in content_problems(whole, KNOWN) if p.severity in REFUSED]
        assert not wrong, (one.name, wrong)
    return found.mapped


def resources(kind: str, *segments: str, site: bytes = b"") -> dict[str, Any]:
    """Return the content of what a message becomes, by name."""
    return {one.name: one.content for one in mapped(kind, *segments, site=site).resources}
