"""How many connections of HL7 v2 are open, as each process that has some says it every few seconds."""

from alembic import op

revision = "c0018"
down_revision = "c0017"
branch_labels = None
depends_on = None

_SCRIPT = """
SET ROLE fhir_owner;

-- Lost with a crash, as it may be: whoever lives says it again. side: in (place is our port) or out
-- (place is the receiver's host and port). Nobody's record is told of here.
CREATE UNLOGGED TABLE interface_line (
  tenant int NOT NULL,
  side text NOT NULL,
  place text NOT NULL,
  process text NOT NULL,
  open int NOT NULL,
  at timestamptz NOT NULL,
  PRIMARY KEY (tenant, side, place, process)
) WITH (fillfactor = 50);
GRANT SELECT, INSERT, UPDATE, DELETE ON interface_line TO fhir_worker;

RESET ROLE;
"""


def upgrade() -> None:
    """Create the table as fhir_owner."""
    connection = op.get_bind().connection.driver_connection
    if connection is None:
        raise RuntimeError("migrations need a live connection")
    connection.execute(_SCRIPT)
