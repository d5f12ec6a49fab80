"""An outsider that plays homes, devices and a phone company; imports nothing of the server.

It talks to the server only as the world does: MQTT 3.1.1 from devices, FHIR R4 over HTTP from an
administrator, and a Twilio-shaped REST interface in both directions from a phone company.
"""
