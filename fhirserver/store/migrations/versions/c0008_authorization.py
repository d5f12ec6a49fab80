"""Authorization server: clients, codes, tokens with scopes, keys."""

revision = "c0008"
down_revision = "c0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing yet."""
