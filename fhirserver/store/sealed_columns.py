"""Every column that holds envelopes, in one reviewed list: what rotation, shredding and their tests go by.

An envelope of these columns begins with the eight bytes of its data key's id and is bound to its row by the purpose
it was sealed for (`DataKeys.seal`). Contents of resources have columns of their own for the key and the place.
"""

from collections.abc import Mapping
from typing import Final

from fhirserver.kernel.hanging import SealedColumn

SEALED: Final[tuple[SealedColumn, ...]] = (
    SealedColumn("job", "request", ("id",), "job|{id}|request"),
    SealedColumn("audit_spool", "sealed", ("id",), "audit-spool|{id}"),
    SealedColumn("job", "saved", ("id",), "job|{id}|saved"),
    SealedColumn("job", "outcome", ("id",), "job|{id}|outcome"),
    SealedColumn("job", "problem", ("id",), "job|{id}|problem"),
    SealedColumn("dead_letter", "raw", ("bucket", "id"), "dead-letter|{id}"),
    SealedColumn("hl7_message", "raw", ("bucket", "id"), "hl7-message|{id}", "t.patient", "goes"),
    SealedColumn("hl7_message", "report", ("bucket", "id"), "hl7-report|{id}", "t.patient", "goes"),
    SealedColumn("account", "profile", ("id",), "account|{id}"),
    SealedColumn("account", "password", ("id",), "password|{id}"),
    SealedColumn("account_factor", "sealed", ("id",), "factor|{id}"),
    SealedColumn("account_session", "sealed", ("id",), "session|{id}"),
    SealedColumn("launch_handle", "sealed", ("digest",), "launch|{digest}"),
    SealedColumn(
        "emergency_access",
        "reason",
        ("bucket", "id"),
        "emergency-reason|{id}",
        "t.patient",
        "stays",
    ),
    SealedColumn(
        "emergency_access", "note", ("bucket", "id"), "emergency-note|{id}", "t.patient", "stays"
    ),
)

# Columns of bytes that are no envelopes under a data key, each with the reason.
NOT_SEALED: Final[Mapping[tuple[str, str], str]] = {
    ("audit_pending", "leaves"): "hashes of audit events",
    ("audit_pending", "receipt"): "ids of lines and a hash, with a keyed hash; no contents",
    ("audit_batch", "receipts"): "as in audit_pending",
    ("audit_batch", "leaves"): "hashes of audit events",
    ("audit_batch", "frontier"): "hashes above hashes of audit events",
    ("audit_batch", "statement"): "public: what is signed of the audit log",
    ("resource", "content"): "an envelope with its key in a column beside it",
    ("resource_history", "content"): "an envelope with its key in a column beside it",
    ("tenant_key", "wrapped"): "a key under a root key",
    ("tenant_key", "spread"): "an envelope under the index key of its row",
    ("data_key", "wrapped"): "a key under a key of the tenant",
    ("signing_key", "wrapped"): "a key under a root key",
    ("signing_key", "sealed"): "an envelope under the key of its row",
    ("access_token", "digest"): "digest of 256 random bits",
    ("binding_token", "digest"): "digest of 256 random bits",
    ("smart_code", "digest"): "digest of 256 random bits",
    ("smart_refresh", "digest"): "digest of 256 random bits",
    ("smart_assertion", "digest"): "digest of what a client signed with a random id in it",
    ("smart_client", "secret"): "digest of 256 random bits",
    ("account_factor", "digest"): "digest of a random credential or code",
    ("account_session", "digest"): "digest of 256 random bits",
    ("single_use", "digest"): "digest of a random code",
    ("launch_handle", "digest"): "digest of 256 random bits",
    ("invitation", "digest"): "digest of 256 random bits",
    ("device_enrollment", "secret"): "digest of 256 random bits",
    ("rule_signature", "digest"): "digest of what two people signed, with times and names in it",
    ("package", "content"): "published definitions",
}
