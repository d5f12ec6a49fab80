"""HL7 v2 as bytes and values: ER7 text, character sets, MLLP frames, acknowledgements. No I/O, no clock.

Lenient with what comes, strict with what goes. Spec: HL7 v2.6 chapter 2, http://www.hl7.eu/HL7v2x/v26/std26/ch02.html
"""
