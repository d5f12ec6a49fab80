"""Rotation of keys, re-keying of the index, shredding.

Every process looks at `key_epoch` when a write begins and once a second: it grows with every change of keys, and what
was remembered of them is then forgotten.
"""

from alembic import op

revision = "c0011"
down_revision = "c0010"
branch_labels = None
depends_on = None

_TENANT = "tenant = (SELECT current_setting('app.tenant')::int)"

_SCRIPT = f"""
SET ROLE fhir_owner;

CREATE TABLE key_epoch (
  single boolean PRIMARY KEY DEFAULT true CHECK (single),
  epoch bigint NOT NULL
);
INSERT INTO key_epoch (epoch) VALUES (1);
GRANT SELECT ON key_epoch TO fhir_read;
GRANT SELECT, UPDATE ON key_epoch TO fhir_write;

-- retired: nothing new is made with it. spread: an envelope of the values that have several keys in this version of
-- the index; null where none has.
ALTER TABLE tenant_key ADD COLUMN retired timestamptz, ADD COLUMN spread bytea;
ALTER TABLE data_key ADD COLUMN retired timestamptz;
CREATE INDEX data_key_retired ON data_key (tenant) WHERE retired IS NOT NULL;
CREATE INDEX data_key_wrapping ON data_key (tenant, tenant_key);

-- Patients whose keys were destroyed; their id gets no new ones. The bucket is the patient's, `patient` its keyed hash.
CREATE TABLE shredded_patient (
  bucket smallint NOT NULL,
  tenant int NOT NULL,
  patient bigint NOT NULL,
  shredded timestamptz NOT NULL,
  PRIMARY KEY (bucket, tenant, patient)
);
ALTER TABLE shredded_patient ENABLE ROW LEVEL SECURITY;
ALTER TABLE shredded_patient FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_write ON shredded_patient TO fhir_write USING ({_TENANT}) WITH CHECK ({_TENANT});
GRANT SELECT, INSERT ON shredded_patient TO fhir_write;

-- A version of the past gets another envelope, never another content: what it says is bound to its place.
GRANT UPDATE (key_id, content) ON resource_history TO fhir_worker;

RESET ROLE;
"""


def upgrade() -> None:
    """Create and change the tables as fhir_owner."""
    connection = op.get_bind().connection.driver_connection
    assert connection is not None
    connection.execute(_SCRIPT)
