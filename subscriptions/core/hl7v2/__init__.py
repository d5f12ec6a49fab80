"""What is told in HL7 v2: resources of a notification become messages, and answers mean something. Pure.

Spec: HL7 v2.6; IHE Devices TF-2 (https://profiles.ihe.net/DEV/TF/Volume2/); https://build.fhir.org/ig/HL7/v2-to-fhir/
"""
