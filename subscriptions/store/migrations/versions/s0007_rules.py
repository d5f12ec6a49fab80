"""What two people have signed: rules that may be looser than a safety floor."""

from alembic import op

revision = "s0007"
down_revision = "s0006"
branch_labels = None
depends_on = None

_TENANT = "tenant = current_setting('app.tenant')::int"


def upgrade() -> None:
    """Create the table as fhir_owner, behind its tenant's wall."""
    op.execute("SET ROLE fhir_owner")
    # `digest` is of the rules alone: they hold under that signature whatever version carries them.
    op.execute(
        "CREATE TABLE rule_signature (bucket smallint NOT NULL, tenant int NOT NULL, "
        "patient text NOT NULL, digest bytea NOT NULL, signed timestamptz NOT NULL, "
        "PRIMARY KEY (bucket, tenant, patient, digest))"
    )
    op.execute("ALTER TABLE rule_signature ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE rule_signature FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY tenant_write ON rule_signature FOR ALL TO fhir_write "
        f"USING ({_TENANT}) WITH CHECK ({_TENANT})"
    )
    op.execute("GRANT SELECT, INSERT ON rule_signature TO fhir_write")
    op.execute("RESET ROLE")
