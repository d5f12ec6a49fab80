"""OperationDefinitions of operations that are ours alone, one file each, named in the CapabilityStatement by their URL.

Spec: https://hl7.org/fhir/R4/operationdefinition.html
"""
