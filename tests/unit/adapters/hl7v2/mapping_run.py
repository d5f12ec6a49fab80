"""One mapping, run on a message made of the segments a test gives."""

from typing import Any
from zoneinfo import ZoneInfo

from adapters.hl7v2.device.sender import Sender
from adapters.hl7v2.mapping import source
from adapters.hl7v2.mapping.mapped import Mapped
from adapters.hl7v2.mapping.plan import Plans
from adapters.hl7v2.report import Report
from fhirserver.wire.hl7v2.message import read

SENDER = Sender("engine", zone=ZoneInfo("Europe/Berlin"), identifiers={"CLINIC": "urn:oid:1.2.3"})
AUTHORITY = "https://w3id.org/fhirserver/NamingSystem/hl7v2/"
SHIPPED = source.together(source.shipped())
HEADER = "MSH|^~\\&|ENGINE|CLINIC|||20260801093006||ADT^A08^ADT_A01|1|P|2.5"


def run(
    mapping: dict[str, Any], *segments: str, report: Report | None = None, **more: Any
) -> Mapped:
    """Map a message of these segments; `mapping` holds resources and the rest of one mapping."""
    given = {
        "maps": {"m": {"messages": ["ADT^A08"], **mapping}},
        "tables": {**SHIPPED["tables"], **more.get("tables", {})},
        "datatypes": SHIPPED["datatypes"],
    }
    message = read("\r".join([HEADER, *segments]))
    return Plans(given).run(message, "ADT^A08", SENDER, report or Report())


def element(rule: Any, *segments: str, **more: Any) -> Any:
    """Return what `rule` makes in an element of a resource; None for nothing, "NULL" for an order to delete."""
    (made,) = run(
        {"resources": {"it": {"type": "Basic", "set": {"always": 1, "x": rule}}}}, *segments, **more
    ).resources
    return "NULL" if "x" in made.cleared else made.content.get("x")


PID = (
    "PID|1||MRN-7^^^CLINIC^MR~99^^^&1.2.9&ISO^NI~X||Müller^Anna^M^Dr~Doe^Ann^^^^^N||19800230|F|"
    '""||Weg 1^^Ulm^""||""~5551^PRN^PH'
)
