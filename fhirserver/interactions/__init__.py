"""What clients can ask of the record, one interaction per file, without HTTP.

Each takes a `Context` (who asks, and what the server is made of) and plain values, and returns
plain values or raises one of `fhirserver.kernel.errors`. How these travel over HTTP is the business
of `fhirserver.rest`.

Spec: https://hl7.org/fhir/R4/http.html
"""
