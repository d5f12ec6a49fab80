"""The three patch languages a client may speak, as pure functions from one JSON value to another.

Each leaves what it is given unchanged and returns a new resource, or says why it cannot.

Spec: https://hl7.org/fhir/R4/http.html#patch
"""
