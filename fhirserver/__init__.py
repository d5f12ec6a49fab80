"""The record: a FHIR R4 (4.0.1) server that validates, authorizes, stores, indexes and answers."""

__version__ = "0.1.0"
