"""What happened to an alert gets another envelope when keys are rotated, never another content."""

from alembic import op

revision = "s0013"
down_revision = "s0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Let workers put an envelope in the place of another; what it says is bound to its row."""
    op.execute("SET ROLE fhir_owner")
    op.execute("GRANT UPDATE (detail) ON alert_event TO fhir_worker")
    op.execute("RESET ROLE")
