"""FHIR XML: the other representation of the same resources. The record itself is JSON.

Spec: https://hl7.org/fhir/R4/xml.html
"""

from fhirserver.wire.xml_reader import MalformedXml, read
from fhirserver.wire.xml_writer import Unprintable, write

__all__ = ["MalformedXml", "Unprintable", "read", "write"]
