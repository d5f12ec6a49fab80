"""Devices that speak HL7 v2: IHE PCD-01 and PCD-04, encoded with hl7apy, over MLLP."""
