"""Audit events, sealed in batches."""

revision = "c0012"
down_revision = "c0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing yet."""
