"""Who else has a chart open: what a client says over its websocket, and what the others are told. Pure.

Nothing of it is kept. A client says ``presence: Patient/ann`` when it opens a chart and ``presence:``
when it closes it; sockets that have the same chart open get a Parameters resource each time somebody
comes or goes. Clients that never say so never get one. https://hl7.org/fhir/R4/parameters.html
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from fhirserver.kernel.resource import Json
from fhirserver.wire import fhir_json

# A chart whose socket is not heard of any more, because its server was killed, is closed after this.
PRESENT_FOR: Final = timedelta(seconds=30)
RENEWED_EVERY: Final = timedelta(seconds=10)
_LOOK: Final = re.compile(r"presence[ \t]*:[ \t]*(?:Patient/([A-Za-z0-9.-]{1,64}))?[ \t\r\n]*")


@dataclass(frozen=True, slots=True)
class Look:
    """The client has the chart of `patient` (an id) open, None: no chart any more."""

    patient: str | None


def look_in(text: str) -> Look | None:
    """Return what a message of a client says about its chart, None when it is about something else."""
    found = _LOOK.fullmatch(text)
    return None if found is None else Look(found[1])


def told(patient: str, viewers: Iterable[str]) -> str:
    """Return the text that tells whoever looks at `patient` of the other `viewers` (references)."""
    parts: list[Json] = [{"name": "patient", "valueReference": {"reference": f"Patient/{patient}"}}]
    parts += [{"name": "viewer", "valueReference": {"reference": one}} for one in sorted(viewers)]
    resource = {
        "resourceType": "Parameters",
        "parameter": [{"name": "presence", "part": parts}],
    }
    return fhir_json.write(resource).decode()
