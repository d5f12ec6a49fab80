"""Load over HL7 v2: machines that send PCD-01 over MLLP, and what became of every message."""
