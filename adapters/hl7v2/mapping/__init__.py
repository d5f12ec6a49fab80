"""The mapping language: from segments and fields to FHIR resources, written as data (docs/hl7v2.md). Pure."""
