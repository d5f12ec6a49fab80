"""Authorization server: clients, what people allowed them, codes, tokens with scopes, keys.

A client is looked for before any tenant is known, as a token is; everything else belongs to the
tenant of its client.
"""

from alembic import op

revision = "c0008"
down_revision = "c0007"
branch_labels = None
depends_on = None

_TENANT = "tenant = current_setting('app.tenant')::int"

_TABLES = """
ALTER TABLE access_token
  ADD COLUMN scopes text[],
  ADD COLUMN patient text,
  ADD COLUMN client text,
  ADD COLUMN account text,
  ADD COLUMN family uuid,
  ADD COLUMN revoked timestamptz;
CREATE INDEX access_token_family ON access_token (family) WHERE family IS NOT NULL;
CREATE INDEX access_token_client ON access_token (tenant, client) WHERE client IS NOT NULL;
CREATE INDEX access_token_expires ON access_token (expires);

CREATE TABLE smart_client (
  client text PRIMARY KEY,
  tenant int NOT NULL,
  name text NOT NULL,
  authentication text NOT NULL
    CHECK (authentication IN ('none', 'client_secret_basic', 'client_secret_post', 'private_key_jwt')),
  secret bytea,
  grant_types text[] NOT NULL,
  redirect_uris text[] NOT NULL,
  scopes text[] NOT NULL,
  jwks text,
  jwks_uri text,
  introspects boolean NOT NULL,
  details text NOT NULL,
  registered timestamptz NOT NULL,
  disabled timestamptz,
  CHECK ((secret IS NOT NULL) = (authentication IN ('client_secret_basic', 'client_secret_post')))
);
CREATE INDEX smart_client_tenant ON smart_client (tenant);

-- What somebody allowed a client at one moment, and every code and token that came of it: a family.
-- `context` names resources by their ids alone.
CREATE TABLE smart_grant (
  tenant int NOT NULL,
  family uuid NOT NULL,
  client text NOT NULL,
  account text NOT NULL,
  session text NOT NULL,
  kind text NOT NULL,
  reference text NOT NULL,
  fhir_user text NOT NULL,
  scopes text[] NOT NULL,
  patient text,
  context text NOT NULL,
  nonce text,
  authenticated timestamptz NOT NULL,
  begun timestamptz NOT NULL,
  expires timestamptz NOT NULL,
  revoked timestamptz,
  PRIMARY KEY (tenant, family)
);
CREATE INDEX smart_grant_account ON smart_grant (tenant, account);
CREATE INDEX smart_grant_client ON smart_grant (tenant, client);
CREATE INDEX smart_grant_session ON smart_grant (tenant, session);

CREATE TABLE smart_code (
  tenant int NOT NULL,
  digest bytea NOT NULL,
  family uuid NOT NULL,
  redirect_uri text NOT NULL,
  challenge text NOT NULL,
  expires timestamptz NOT NULL,
  used timestamptz,
  PRIMARY KEY (tenant, digest)
);

CREATE TABLE smart_refresh (
  tenant int NOT NULL,
  digest bytea NOT NULL,
  family uuid NOT NULL,
  issued timestamptz NOT NULL,
  expires timestamptz NOT NULL,
  used timestamptz,
  PRIMARY KEY (tenant, digest)
);
CREATE INDEX smart_refresh_family ON smart_refresh (tenant, family);

-- Assertions a client has proved itself with; a second use of one is refused.
CREATE TABLE smart_assertion (
  tenant int NOT NULL,
  client text NOT NULL,
  digest bytea NOT NULL,
  expires timestamptz NOT NULL,
  PRIMARY KEY (tenant, client, digest)
);

-- Keys that sign identity tokens, of the server and not of a tenant: `sealed` is the private key under
-- a key of its own, and `wrapped` that key under the keyring's `ring_key`.
CREATE TABLE signing_key (
  kid text PRIMARY KEY,
  ring_key text NOT NULL,
  wrapped bytea NOT NULL,
  sealed bytea NOT NULL,
  created timestamptz NOT NULL
);
"""
_TENANT_ONLY = ("smart_grant", "smart_code", "smart_refresh", "smart_assertion")
_GRANTS = f"""
GRANT UPDATE (revoked), DELETE ON access_token TO fhir_write;
GRANT SELECT, INSERT, DELETE ON signing_key TO fhir_write;
GRANT UPDATE (ring_key, wrapped) ON signing_key TO fhir_write;
ALTER TABLE smart_client ENABLE ROW LEVEL SECURITY;
ALTER TABLE smart_client FORCE ROW LEVEL SECURITY;
CREATE POLICY found ON smart_client FOR SELECT TO fhir_write, fhir_read USING (true);
CREATE POLICY tenant_insert ON smart_client FOR INSERT TO fhir_write WITH CHECK ({_TENANT});
CREATE POLICY tenant_update ON smart_client FOR UPDATE TO fhir_write USING ({_TENANT}) WITH CHECK ({_TENANT});
GRANT SELECT, INSERT, UPDATE ON smart_client TO fhir_write;
GRANT SELECT ON smart_client TO fhir_read;
"""


def upgrade() -> None:
    """Create the tables of the authorization server and let tokens have scopes."""
    connection = op.get_bind().connection.driver_connection
    assert connection is not None
    connection.execute("SET ROLE fhir_owner")
    connection.execute(_TABLES)
    connection.execute(_GRANTS)
    for table in _TENANT_ONLY:
        connection.execute(
            f"""
            ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
            ALTER TABLE {table} FORCE ROW LEVEL SECURITY;
            CREATE POLICY tenant_write ON {table} TO fhir_write USING ({_TENANT}) WITH CHECK ({_TENANT});
            GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO fhir_write;
            """
        )
    connection.execute("RESET ROLE")
