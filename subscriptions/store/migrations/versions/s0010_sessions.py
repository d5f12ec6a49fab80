"""Treatments, whether monitoring is armed, test pages, and what is planned for a patient.

All rows are about one patient and lie in the patient's bucket. Times and states are readable, so
that what is due can be found; what was measured is not in them.
"""

from alembic import op

revision = "s0010"
down_revision = "s0009"
branch_labels = None
depends_on = None

_TENANT = "tenant = current_setting('app.tenant')::int"

_TABLES = """
-- One row per treatment, by the id of its Procedure; `ended` NULL while it goes on, `reported` NULL
-- while its run sheet is owed. A treatment that somebody ended is not taken up again (`final`).
CREATE TABLE treatment (
  bucket smallint NOT NULL,
  tenant int NOT NULL,
  procedure text NOT NULL,
  patient text NOT NULL,
  device text NOT NULL,
  therapy text,
  started timestamptz NOT NULL,
  planned_end timestamptz NOT NULL,
  paused timestamptz,
  live boolean NOT NULL,
  told boolean NOT NULL DEFAULT false,
  end_told boolean NOT NULL DEFAULT false,
  simulated boolean NOT NULL,
  due timestamptz,
  ended timestamptz,
  final boolean NOT NULL DEFAULT false,
  reported timestamptz,
  PRIMARY KEY (bucket, tenant, procedure)
);
CREATE UNIQUE INDEX treatment_device ON treatment (tenant, device) WHERE ended IS NULL;
CREATE INDEX treatment_patient ON treatment (tenant, patient, started);
CREATE INDEX treatment_due ON treatment (due) WHERE due IS NOT NULL;
CREATE INDEX treatment_owed ON treatment (ended) WHERE ended IS NOT NULL AND reported IS NULL;

-- Whether monitoring is armed; no row: it never was. `incident` is what the test page's Tasks have in
-- common, `acknowledged` who has answered it.
CREATE TABLE arming (
  bucket smallint NOT NULL,
  tenant int NOT NULL,
  patient text NOT NULL,
  state text NOT NULL,
  asked timestamptz,
  armed timestamptz,
  acknowledged text[] NOT NULL,
  reason text,
  incident uuid,
  due timestamptz,
  updated timestamptz NOT NULL,
  PRIMARY KEY (bucket, tenant, patient)
);
CREATE INDEX arming_due ON arming (due) WHERE due IS NOT NULL;

-- Who was sent a test page, by which Task.
CREATE TABLE test_page (
  bucket smallint NOT NULL,
  tenant int NOT NULL,
  incident uuid NOT NULL,
  member text NOT NULL,
  patient text NOT NULL,
  task text NOT NULL,
  asked timestamptz NOT NULL,
  PRIMARY KEY (bucket, tenant, incident, member)
);

-- What the patient's treatment plan says: how long a treatment takes, and the CarePlan it stands in.
CREATE TABLE treatment_plan (
  bucket smallint NOT NULL,
  tenant int NOT NULL,
  patient text NOT NULL,
  care_plan text NOT NULL,
  seconds int NOT NULL,
  updated timestamptz NOT NULL,
  PRIMARY KEY (bucket, tenant, patient, care_plan)
);
"""

_ALL = ("treatment", "arming", "test_page", "treatment_plan")
_DUE = ("treatment", "arming")


def _run(script: str) -> None:
    """Run a script of several statements, which only the driver's own connection takes."""
    connection = op.get_bind().connection.driver_connection
    if connection is None:
        raise RuntimeError("migrations need a live connection")
    connection.execute(script)


def upgrade() -> None:
    """Create the tables as fhir_owner, each behind its tenant's wall."""
    _run("SET ROLE fhir_owner")
    _run(_TABLES)
    for table in _ALL:
        _run(
            f"""
            ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
            ALTER TABLE {table} FORCE ROW LEVEL SECURITY;
            CREATE POLICY tenant_write ON {table} FOR ALL TO fhir_write
              USING ({_TENANT}) WITH CHECK ({_TENANT});
            GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO fhir_write;
            """
        )
    for table in _DUE:
        _run(f"CREATE POLICY due ON {table} FOR SELECT TO fhir_worker USING (true)")
    _run("RESET ROLE")
