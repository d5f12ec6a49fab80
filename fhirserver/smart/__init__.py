"""The authorization server: apps and programs get tokens here, people say what for.

Files without an edge in their name are pure: they judge a request by its values, what is stored and
the time, and raise the error of the protocol (Authlib's classes). Edges (`*_endpoint`, `application`)
read HTTP, ask the store and answer.

Spec: https://hl7.org/fhir/smart-app-launch/STU2.2/, https://www.rfc-editor.org/rfc/rfc6749,
https://www.rfc-editor.org/rfc/rfc9700
"""
