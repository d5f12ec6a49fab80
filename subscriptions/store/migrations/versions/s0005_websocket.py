"""Websockets bound to Subscriptions: the tokens that open them, and whose Subscriptions there are."""

from alembic import op

revision = "s0005"
down_revision = "s0004"
branch_labels = None
depends_on = None

_TENANT = "tenant = current_setting('app.tenant')::int"

_SCRIPT = f"""
SET ROLE fhir_owner;

-- What opens a websocket for a while: only the hash of the token is kept. Found by it alone, since
-- a socket does not say whose it is before it shows one.
CREATE TABLE binding_token (
  digest bytea NOT NULL,
  tenant int NOT NULL,
  kind text NOT NULL,
  reference text NOT NULL,
  subscriptions text[] NOT NULL,
  issued timestamptz NOT NULL,
  expires timestamptz NOT NULL,
  PRIMARY KEY (digest)
);
CREATE INDEX binding_token_expires ON binding_token (tenant, expires);
ALTER TABLE binding_token ENABLE ROW LEVEL SECURITY;
ALTER TABLE binding_token FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_write ON binding_token FOR ALL TO fhir_write
  USING ({_TENANT}) WITH CHECK ({_TENANT});
CREATE POLICY due ON binding_token FOR SELECT TO fhir_worker USING (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON binding_token TO fhir_write;

-- Which websocket Subscriptions somebody owns.
CREATE INDEX subscription_cursor_websocket ON subscription_cursor (tenant, owner)
  WHERE channel = 'websocket';

RESET ROLE;
"""


def upgrade() -> None:
    """Create the table as fhir_owner, closed to other tenants but for finding a token."""
    connection = op.get_bind().connection.driver_connection
    if connection is None:
        raise RuntimeError("migrations need a live connection")
    connection.execute(_SCRIPT)
