"""What makes and ends a relationship with a patient: decisions only, no I/O and no clock.

Who is on call, when a minor comes of age, who may invite whom, who may change a CareTeam. The rows
that follow are kept by `fhirserver.store.relationships`; what a relationship allows is decided by
`fhirserver.auth`.
"""
