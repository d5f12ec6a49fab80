"""Writes: the histories of a type and of everything are found by time."""

from alembic import op

revision = "c0003"
down_revision = "c0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Index the older versions by type and time."""
    op.execute("SET ROLE fhir_owner")
    op.execute("CREATE INDEX resource_history_updated ON resource_history (type, updated, id)")
    op.execute("RESET ROLE")
