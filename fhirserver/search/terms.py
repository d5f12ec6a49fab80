"""Equality terms: what a resource is found by in the blind index, and what a query looks for.

A term is plain text that the store hashes; equal terms are hits. `Term.reference` says that the
text is the target of a reference, hashed apart from the parameter so that chains can follow it. The
texts start with a letter for their form, so that no two forms can be mistaken for each other:

    token      b system code (both), c code (any system), n code (no system), s system (any code)
    text       t first letters of what is written beside a code (`:text`)
    of-type    o type's system, type's code, identifier's value
    string     1..16 first letters of the normalized text (p), for names only; three letters in a
               row (g; an empty one says that there are too many), shared by all texts of a resource
    uri        u text; a canonical with a version is also found without it; v each address above
    reference  the target itself; i with b, c, n or s for a reference by identifier
    date       d unit, for protected dates only
    words      w word of `_text` or `_content` that no text has the letters of (an empty one says
               that there are too many), and the types of contained resources
    any        a: the parameter has a value (`:missing`)

Spec: https://hl7.org/fhir/R4/search.html
"""

from fhirserver.search.index_terms import index_terms, resource_terms
from fhirserver.search.query_terms import query_terms
from fhirserver.search.term import AnyOf, Term

__all__ = ["AnyOf", "Term", "index_terms", "query_terms", "resource_terms"]
