"""Loaded knowledge: installed packages, the epochs that say it changed, and custom search parameters in use.

Packages are the installation's, not a tenant's; they hold no patient data and are stored in the clear. Tenants' own
canonical resources are ordinary resources; only their epoch is here.
"""

from alembic import op

revision = "c0005"
down_revision = "c0004"
branch_labels = None
depends_on = None

_TENANT = "tenant = current_setting('app.tenant')::int"

_SCRIPT = f"""
SET ROLE fhir_owner;

CREATE TABLE package (
  name text NOT NULL,
  version text NOT NULL,
  dependencies jsonb NOT NULL,
  resources int NOT NULL,
  content bytea NOT NULL,
  added timestamptz NOT NULL,
  PRIMARY KEY (name, version)
);

-- Tenant 0 stands for the packages. A tenant without a row has never had a canonical resource.
CREATE TABLE catalogue_epoch (
  tenant int PRIMARY KEY,
  epoch bigint NOT NULL
);
INSERT INTO catalogue_epoch (tenant, epoch) VALUES (0, 1);
INSERT INTO catalogue_epoch (tenant, epoch) SELECT tenant, 1 FROM tenant WHERE tenant <> 0;

-- A custom search parameter may be searched by when its index is complete for this very definition.
CREATE TABLE search_parameter_state (
  tenant int NOT NULL,
  url text NOT NULL,
  fingerprint text NOT NULL,
  enabled timestamptz NOT NULL,
  PRIMARY KEY (tenant, url)
);

ALTER TABLE search_parameter_state ENABLE ROW LEVEL SECURITY;
ALTER TABLE search_parameter_state FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_write ON search_parameter_state TO fhir_write USING ({_TENANT}) WITH CHECK ({_TENANT});

GRANT SELECT, INSERT, UPDATE, DELETE ON search_parameter_state TO fhir_write;
GRANT SELECT, INSERT, UPDATE ON catalogue_epoch TO fhir_write;
GRANT SELECT ON package TO fhir_write;
GRANT INSERT, UPDATE, DELETE ON package TO fhir_worker;

RESET ROLE;
"""


def upgrade() -> None:
    """Create the tables; existing tenants' canonical resources are read at the next start."""
    # A script of several statements, which only the driver's own connection takes.
    connection = op.get_bind().connection.driver_connection
    assert connection is not None
    connection.execute(_SCRIPT)
