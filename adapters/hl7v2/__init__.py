"""HL7 v2 interfaces in: devices that speak IHE PCD-01 and PCD-04, and whatever else an integration engine sends."""
