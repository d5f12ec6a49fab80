"""Relationships beside CareTeams: emergencies, peers, invitations."""

revision = "c0010"
down_revision = "c0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing yet."""
