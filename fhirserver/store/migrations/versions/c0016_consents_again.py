"""Consents that were written before are read again at the next start: exceptions within permissions count always now."""

from alembic import op

revision = "c0016"
down_revision = "c0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forget for which tenants the rows of relationships were made from what is stored."""
    connection = op.get_bind().connection.driver_connection
    assert connection is not None
    connection.execute("SET ROLE fhir_owner")
    # Emptied at once: the rows are behind the walls of tenants that have not been named here.
    connection.execute("TRUNCATE relations_filed")
    connection.execute("RESET ROLE")
