"""Which company took a message or call, and until when it must have reported on it."""

from alembic import op

revision = "s0009"
down_revision = "s0008"
branch_labels = None
depends_on = None

_CHANGES = """
-- company: who was asked to carry it. receipt_due: when its silence counts as a failure; null where
-- nothing is expected any more. answers: what was answered by its link or in the
-- call, so that none acts twice.
ALTER TABLE attempt
  ADD COLUMN company text,
  ADD COLUMN receipt_due timestamptz,
  ADD COLUMN answers text NOT NULL DEFAULT '';
CREATE INDEX attempt_receipt_due ON attempt (receipt_due) WHERE receipt_due IS NOT NULL;
-- Which companies have lately taken something and fallen silent.
CREATE INDEX attempt_unheard ON attempt (tenant, started) WHERE outcome = 'unheard';
-- Receipts of companies that know a message by their own number only.
CREATE INDEX attempt_reference ON attempt (tenant, provider_ref) WHERE provider_ref IS NOT NULL;
"""


def upgrade() -> None:
    """Add what is known of carriers, as fhir_owner."""
    op.execute("SET ROLE fhir_owner")
    connection = op.get_bind().connection.driver_connection
    if connection is None:
        raise RuntimeError("migrations need a live connection")
    connection.execute(_CHANGES)
    op.execute("RESET ROLE")
