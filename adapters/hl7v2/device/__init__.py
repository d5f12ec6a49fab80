"""IHE PCD messages become what devices say over MQTT too: the same readings, alarms and descriptions. Pure.

The code decides what a line means, and behind it the reference id; never a Set-ID, never the dotted sub-id.
Spec: IHE Devices TF-2 (https://profiles.ihe.net/DEV/TF/Volume2/), "Dialysis Machine HL7 Implementation Guidelines" Rev 4.0.
"""
