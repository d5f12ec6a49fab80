"""How many Observations of each patient the rule engine has judged: the events of its Subscription."""

from alembic import op

revision = "s0006"
down_revision = "s0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Count from now on, as fhir_owner."""
    op.execute("SET ROLE fhir_owner")
    op.execute("ALTER TABLE evaluation ADD COLUMN judged bigint NOT NULL DEFAULT 0")
    op.execute("RESET ROLE")
