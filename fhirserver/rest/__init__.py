"""HTTP only: routes, negotiation, answers.

What a request means is decided in `fhirserver.interactions`.

Spec: https://hl7.org/fhir/R4/http.html
"""

from fhirserver.rest.application import Services, application

__all__ = ["Services", "application"]
