"""The FHIR search language, without a database.

What a resource is found by (`extract`), what a caller asks for (`query`), how both become keys and
ranges that an index can hold (`terms`, `ranges`), and whether a resource answers a query, decided
from the resource alone (`match`).

Spec: https://hl7.org/fhir/R4/search.html
"""
