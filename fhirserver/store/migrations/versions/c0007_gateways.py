"""Gateways: which devices a broker credential may speak for besides its own."""

from alembic import op

revision = "c0007"
down_revision = "c0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Let an enrolment name the addresses behind it."""
    connection = op.get_bind().connection.driver_connection
    assert connection is not None
    connection.execute(
        """
        SET ROLE fhir_owner;
        ALTER TABLE device_enrollment ADD COLUMN behind text[] NOT NULL DEFAULT '{}';
        RESET ROLE;
        """
    )
