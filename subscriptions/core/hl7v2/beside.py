"""What a message needs beside the resource an event is about; a topic's own notification shape says less.

An ORU^R01 names the machine by its EUI-64 and the channel a measure is of, an ORU^R40 what an alert rests on, an ADT who
it is about, and in whom a record ends. Rights are asked for each of them like for the focus itself.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from fhirserver.kernel.canonical import ALERT_DEVICE, FLAG_DETAIL
from fhirserver.kernel.resource import Json

_ELEMENTS: Final[Mapping[str, tuple[str, ...]]] = {
    "Observation": ("subject", "device", "partOf"),
    "DeviceMetric": ("source", "parent"),
    "Flag": ("subject",),
    "Encounter": ("subject",),
}
_MOST_DETAILS: Final = 2


def leads_to(resource: Json) -> Iterator[str]:
    """Yield what a message about `resource` needs, as ``Type/id``."""
    for element in _ELEMENTS.get(resource["resourceType"], ()):
        value = resource.get(element)
        for one in value if isinstance(value, list) else (value,):
            yield from _local(one)
    if resource["resourceType"] == "Encounter":
        for place in resource.get("location", ()):
            yield from _local(place.get("location"))
    if resource["resourceType"] == "Patient":
        for link in resource.get("link", ()):
            if link.get("type") == "replaced-by":
                yield from _local(link.get("other"))
    if resource["resourceType"] == "Flag":
        # The newest ones: they say what it is about now.
        said = resource.get("extension", ())
        devices = [one for one in said if one.get("url") == ALERT_DEVICE]
        details = [one for one in said if one.get("url") == FLAG_DETAIL]
        for one in (*devices, *details[-_MOST_DETAILS:]):
            yield from _local(one.get("valueReference"))


def _local(reference: Any) -> Iterator[str]:
    text = reference.get("reference") if isinstance(reference, Mapping) else None
    if isinstance(text, str) and text.count("/") == 1 and ":" not in text and "#" not in text:
        yield text
