"""Operations on Subscription, as the record's operation frame knows operations: one file each.

`subscriptions.composition` makes them, `fhirserver.bootstrap` hands them to the HTTP application.

Spec: https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/artifacts.html
"""
