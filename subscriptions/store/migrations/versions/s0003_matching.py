"""How changes find their Subscriptions: by the keys they are filed under, with what is left to test.

Rows made before are of no use to this: they go, and every Subscription is filed again before any
process serves (`subscriptions.response.subscription_index.SubscriptionIndex.file_again`).
"""

from alembic import op

revision = "s0003"
down_revision = "s0002"
branch_labels = None
depends_on = None

_SCRIPT = """
TRUNCATE subscription_match;
-- `required` is [[filter, [key, ...]], ...]; of each filter one key must be among those of the change.
-- `residual` is an envelope of the conditions that are tested on the resource. `plain`: R4 criteria,
-- which deletions do not concern. Nothing is found at or after `ends`. Bucket of the key.
ALTER TABLE subscription_match DROP CONSTRAINT subscription_match_pkey;
ALTER TABLE subscription_match ADD COLUMN residual bytea;
ALTER TABLE subscription_match ADD COLUMN plain boolean NOT NULL;
ALTER TABLE subscription_match ADD COLUMN ends timestamptz;
ALTER TABLE subscription_match ADD PRIMARY KEY (bucket, tenant, filter_key, subscription);

-- The filters (topic, type, name) under which any Subscription of a tenant was ever filed: no other
-- value of a changed resource has to be looked up. `stamp` differs for any two contents ever seen.
CREATE TABLE subscription_anchor (
  tenant int PRIMARY KEY,
  names text[] NOT NULL,
  stamp text NOT NULL
);
ALTER TABLE subscription_anchor ENABLE ROW LEVEL SECURITY;
ALTER TABLE subscription_anchor FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_write ON subscription_anchor FOR ALL TO fhir_write
  USING (tenant = current_setting('app.tenant')::int)
  WITH CHECK (tenant = current_setting('app.tenant')::int);
GRANT SELECT, INSERT, UPDATE, DELETE ON subscription_anchor TO fhir_write;

-- An envelope: the secret by which what is sent to the endpoint is signed.
ALTER TABLE subscription_cursor ADD COLUMN secret bytea;
"""


def upgrade() -> None:
    """Change the tables as fhir_owner."""
    connection = op.get_bind().connection.driver_connection
    if connection is None:
        raise RuntimeError("migrations need a live connection")
    connection.execute("SET ROLE fhir_owner")
    connection.execute(_SCRIPT)
    connection.execute("RESET ROLE")
