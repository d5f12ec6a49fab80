"""Accounts of people: how they log in, sessions, second factors."""

revision = "c0009"
down_revision = "c0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing yet."""
