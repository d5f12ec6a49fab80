"""What messages of machines cost: bindings are found by their device, and what is sealed is not tried to be compressed.

Sealed bytes look like noise, so that trying costs time and saves nothing. Messages and the Provenance of each are a
little longer than two kilobytes: they stay in the row, where one page is written instead of three.
"""

from alembic import op

revision = "c0017"
down_revision = "c0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the index and change how long values are kept from now on."""
    connection = op.get_bind().connection.driver_connection
    assert connection is not None
    connection.execute("SET ROLE fhir_owner")
    connection.execute(
        """
        CREATE INDEX device_binding_device ON device_binding (tenant, device);
        ALTER TABLE resource ALTER COLUMN content SET STORAGE EXTERNAL;
        ALTER TABLE resource_history ALTER COLUMN content SET STORAGE EXTERNAL;
        ALTER TABLE current_provenance SET (toast_tuple_target = 8160);
        ALTER TABLE hl7_message ALTER COLUMN raw SET STORAGE EXTERNAL, ALTER COLUMN report SET STORAGE EXTERNAL;
        ALTER TABLE hl7_message SET (toast_tuple_target = 8160);
        """
    )
    connection.execute("RESET ROLE")
