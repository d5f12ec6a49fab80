"""Receipts for lines of happenings: what was written out, so that a line that was taken away before is missed.

Receipts are sealed; batches from before have none.
"""

from alembic import op

revision = "c0013"
down_revision = "c0012"
branch_labels = None
depends_on = None

_COLUMNS = """
-- Empty where the events did not come from a line.
ALTER TABLE audit_pending ADD COLUMN receipt bytea NOT NULL DEFAULT '';

-- What `audit_pending` said, part by part: how many events each part has, and its receipt. The digest of `receipts`
-- is in the statement that is signed.
ALTER TABLE audit_batch ADD COLUMN parts int[] NOT NULL DEFAULT '{}', ADD COLUMN receipts bytea[] NOT NULL DEFAULT '{}',
  ADD CHECK (cardinality(parts) = cardinality(receipts));
"""


def upgrade() -> None:
    """Add the columns."""
    connection = op.get_bind().connection.driver_connection
    assert connection is not None
    connection.execute("SET ROLE fhir_owner")
    connection.execute(_COLUMNS)
    connection.execute("RESET ROLE")
