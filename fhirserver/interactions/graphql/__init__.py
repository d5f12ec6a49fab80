"""GraphQL over the record: the schema told from the definitions, and what its fields do.

Spec: https://hl7.org/fhir/R4/graphql.html, https://spec.graphql.org/
"""
