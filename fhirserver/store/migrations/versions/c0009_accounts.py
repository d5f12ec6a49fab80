"""Accounts of people: what they may act as, how they prove who they are, their sessions, and failures to do so.

Names, secrets and what browsers say of themselves are sealed; a login name is found by its keyed hash.
"""

from alembic import op

revision = "c0009"
down_revision = "c0008"
branch_labels = None
depends_on = None

_TENANT = "tenant = current_setting('app.tenant')::int"
_TABLES = """
SET ROLE fhir_owner;

CREATE TABLE account (
  tenant int NOT NULL,
  id uuid NOT NULL,
  login bigint NOT NULL,
  person text,
  profile bytea NOT NULL,
  password bytea,
  created timestamptz NOT NULL,
  disabled timestamptz,
  PRIMARY KEY (tenant, id),
  UNIQUE (tenant, login)
);

CREATE TABLE account_role (
  tenant int NOT NULL,
  account uuid NOT NULL,
  kind text NOT NULL,
  reference text NOT NULL,
  since timestamptz NOT NULL,
  PRIMARY KEY (tenant, account, kind, reference)
);

-- counter: the last step of a totp, the signature counter of a passkey. digest: of a passkey's credential id, or of a
-- recovery code, which has nothing sealed.
CREATE TABLE account_factor (
  tenant int NOT NULL,
  id uuid NOT NULL,
  account uuid NOT NULL,
  kind text NOT NULL,
  digest bytea,
  sealed bytea,
  counter bigint NOT NULL DEFAULT 0,
  created timestamptz NOT NULL,
  used timestamptz,
  PRIMARY KEY (tenant, id)
);
CREATE INDEX account_factor_account ON account_factor (tenant, account);
CREATE UNIQUE INDEX account_factor_digest ON account_factor (tenant, digest);

CREATE TABLE account_session (
  tenant int NOT NULL,
  id uuid NOT NULL,
  digest bytea NOT NULL,
  account uuid NOT NULL,
  kind text,
  reference text,
  methods text[] NOT NULL,
  opened timestamptz NOT NULL,
  seen timestamptz NOT NULL,
  sealed bytea NOT NULL,
  PRIMARY KEY (tenant, id),
  UNIQUE (tenant, digest)
);
CREATE INDEX account_session_account ON account_session (tenant, account);

-- Codes that open an account once, and challenges that were answered.
CREATE TABLE single_use (
  tenant int NOT NULL,
  digest bytea NOT NULL,
  purpose text NOT NULL,
  account uuid,
  expires timestamptz NOT NULL,
  PRIMARY KEY (tenant, digest)
);

-- What an EHR starts an app for; client and reference of the person where it is meant for one alone.
CREATE TABLE launch_handle (
  tenant int NOT NULL,
  digest bytea NOT NULL,
  client text,
  reference text,
  sealed bytea NOT NULL,
  expires timestamptz NOT NULL,
  PRIMARY KEY (tenant, digest)
);

CREATE TABLE sign_in_failure (
  tenant int NOT NULL,
  subject bigint NOT NULL,
  failures int NOT NULL,
  latest timestamptz NOT NULL,
  PRIMARY KEY (tenant, subject)
);
"""
_NAMES = (
    "account", "account_role", "account_factor", "account_session", "single_use", "launch_handle",
    "sign_in_failure",
)  # fmt: skip


def upgrade() -> None:
    """Create the tables; only what writes may see them, one tenant at a time."""
    connection = op.get_bind().connection.driver_connection
    assert connection is not None
    connection.execute(_TABLES)
    for table in _NAMES:
        connection.execute(
            f"""
            ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
            ALTER TABLE {table} FORCE ROW LEVEL SECURITY;
            CREATE POLICY tenant_write ON {table} TO fhir_write USING ({_TENANT}) WITH CHECK ({_TENANT});
            GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO fhir_write;
            """
        )
    connection.execute("RESET ROLE")
