"""Rotation of keys, re-keying of the index, shredding."""

revision = "c0011"
down_revision = "c0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing yet."""
