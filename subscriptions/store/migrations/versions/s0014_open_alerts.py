"""Alerts that go on are found, so that they can be told again; who subscribes to them over HL7 v2 is told every 20 s."""

from alembic import op

revision = "s0014"
down_revision = "s0013"
branch_labels = None
depends_on = None

_SCRIPT = """
CREATE INDEX alert_open ON alert (tenant, raised) WHERE closed IS NULL AND flag IS NOT NULL;
UPDATE subscription_cursor SET heartbeat = 20
  WHERE heartbeat IS NULL AND channel = 'https://w3id.org/fhirserver/CodeSystem/channel-type|hl7v2'
  AND topic = 'https://w3id.org/fhirserver/SubscriptionTopic/device-alert';
"""


def upgrade() -> None:
    """Add an index and the period of Subscriptions that stand."""
    op.execute("SET ROLE fhir_owner")
    op.execute(_SCRIPT)
    op.execute("RESET ROLE")
