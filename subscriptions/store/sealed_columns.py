"""The columns of this part that hold envelopes; see `fhirserver.store.sealed_columns`."""

from typing import Final

from fhirserver.kernel.hanging import SealedColumn

SEALED: Final[tuple[SealedColumn, ...]] = (
    SealedColumn(
        "evaluation", "state", ("bucket", "patient"), "evaluation-window", "t.patient", "goes"
    ),
    SealedColumn("rule_set", "orders", ("bucket", "patient"), "rule-set", "t.patient", "goes"),
    SealedColumn("alert", "detail", ("bucket", "id"), "alert-detail|{id}", "t.patient", "emptied"),
    SealedColumn(
        "alert_event",
        "detail",
        ("bucket", "id"),
        "alert-event|{id}",
        "(SELECT a.patient FROM alert a WHERE a.bucket = t.bucket AND a.tenant = t.tenant AND a.id = t.alert)",
        "emptied",
    ),
    SealedColumn(
        "ladder", "state", ("bucket", "incident"), "ladder|{incident}", "t.patient", "goes"
    ),
    SealedColumn("attempt", "detail", ("bucket", "id"), "attempt|{id}", "t.patient", "emptied"),
    SealedColumn(
        "subscription_match",
        "residual",
        ("bucket", "filter_key", "subscription"),
        "subscription-residual|{subscription}|{filter_key}",
    ),
    SealedColumn(
        "subscription_cursor", "secret", ("bucket", "subscription"), "channel-secret|{subscription}"
    ),
    SealedColumn(
        "reply_code",
        "code",
        ("bucket", "phone_lookup", "lookup"),
        "reply-code|{phone_lookup}|{lookup}",
    ),
    SealedColumn("inbound_message", "answer", ("bucket", "lookup"), "inbound-answer|{lookup}"),
)
