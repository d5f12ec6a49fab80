"""What a leaf of the log is: the tenant's number and the canonical JSON of an AuditEvent.

The canonical form is the plaintext, so a new key or a new index changes no leaf, and whoever has the event as JSON
can compute its leaf.

Spec: https://hl7.org/fhir/R4/json.html#canonical, https://www.rfc-editor.org/rfc/rfc9162#section-2.1.1
"""

from fhirserver.auditing.merkle import LEAF, leaf_hash


def leaf_of(tenant: int, canonical: bytes) -> bytes:
    """Return the hash of the leaf for an event of `tenant`."""
    return leaf_hash(b"%d|%b" % (tenant, canonical))


def beginning_of(tenant: int) -> bytes:
    """Return what is hashed before the canonical JSON of an event of `tenant`, for who hashes many."""
    return b"%b%d|" % (LEAF, tenant)
