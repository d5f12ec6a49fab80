"""Jobs and what they do to whole partitions: retention by tenant, and the swap of a telemetry partition.

The server's login roles own no table, so what needs an owner (a partition replaced, a lock that keeps
new Flags out for a moment) is a function of the owner's with its arguments checked.
"""

from alembic import op

revision = "c0004"
down_revision = "c0003"
branch_labels = None
depends_on = None

_TENANT = "tenant = current_setting('app.tenant')::int"

_TABLES = """
CREATE TABLE job (
  tenant int NOT NULL,
  id uuid NOT NULL,
  kind text NOT NULL,
  state text NOT NULL CHECK (state IN ('waiting', 'running', 'done', 'failed', 'cancelled')),
  owner_kind text NOT NULL,
  owner text NOT NULL,
  submitted timestamptz NOT NULL,
  finished timestamptz,
  progress bigint NOT NULL DEFAULT 0,
  total bigint,
  attempts int NOT NULL DEFAULT 0,
  epoch bigint NOT NULL DEFAULT 0,
  until timestamptz,
  cancel boolean NOT NULL DEFAULT false,
  request bytea NOT NULL,
  saved bytea,
  outcome bytea,
  problem bytea,
  problem_status smallint,
  fault text,
  PRIMARY KEY (tenant, id)
);
CREATE INDEX job_due ON job (submitted) WHERE state IN ('waiting', 'running');
CREATE INDEX job_finished ON job (finished) WHERE finished IS NOT NULL;

-- How many days something is kept; no row, or null, keeps everything.
CREATE TABLE retention_policy (
  tenant int PRIMARY KEY,
  history_days int CHECK (history_days >= 1),
  telemetry_days int CHECK (telemetry_days >= 1),
  audit_days int CHECK (audit_days >= 1),
  set_at timestamptz NOT NULL,
  run_at timestamptz
);
"""

# New Flags wait while this lock is held, so it is only taken for the moment in which rows go; whoever
# cannot have it at once gives up and tries again, and alarms never queue behind a long deletion.
_LOCK_FLAGS = """
CREATE FUNCTION lock_flags() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '200ms' AS $$
BEGIN
  LOCK TABLE current_flag IN SHARE MODE;
END $$;
REVOKE ALL ON FUNCTION lock_flags FROM public;
GRANT EXECUTE ON FUNCTION lock_flags TO fhir_worker;
"""

# Two steps of one transaction put in the place of a week of Observations a table with what must be kept of them.
# The first copies, while changes of that week wait: other tenants' rows, rows received from `before` on, rows that
# are no telemetry (their keys name none of the devices in `telemetry`), amended and deleted ones, those in `named`,
# and the readings of the incidents in the session's table `held`: of that patient (of anybody where it is null),
# taken or received in that time. The second, while everybody waits for a moment, copies what was named or held
# meanwhile and lets the tables change places.
_REPLACE_LEAF = """
CREATE FUNCTION copy_observation_leaf(leaf text, of_tenant int, before uuid, telemetry bigint[], named uuid[])
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '800ms' AS $$
DECLARE
  fresh text := leaf || '_kept';
BEGIN
  IF leaf !~ '^current_observation_[0-9]{8}$' OR to_regclass(leaf) IS NULL THEN
    RAISE EXCEPTION 'not a partition: %', leaf;
  END IF;
  EXECUTE format('LOCK TABLE %I, %I IN SHARE MODE', leaf, replace(leaf, 'current_', 'range_'));
  EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL)', fresh, leaf);
  EXECUTE format(
    'INSERT INTO %I SELECT l.* FROM %I l WHERE l.tenant <> $1 OR l.id >= $2 OR l.version > 1 OR l.deleted '
    'OR l.id = ANY ($4) OR NOT EXISTS (SELECT 1 FROM unnest(l.keys) k WHERE k = ANY ($3)) '
    'OR EXISTS (SELECT 1 FROM held h WHERE (h.patient = l.patient OR h.patient IS NULL) '
    'AND ((l.time < h.until AND coalesce(l.time_end, l.time) >= h.since) OR (l.id >= h.first_row AND l.id < h.end_row)))',
    fresh, leaf) USING of_tenant, before, telemetry, named;
END $$;

CREATE FUNCTION swap_observation_leaf(leaf text, named uuid[], again boolean) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '200ms' AS $$
DECLARE
  fresh text := leaf || '_kept';
  spans text := replace(leaf, 'current_', 'range_');
  bound text;
  kept bigint;
BEGIN
  IF leaf !~ '^current_observation_[0-9]{8}$' OR to_regclass(fresh) IS NULL THEN
    RAISE EXCEPTION 'not a partition: %', leaf;
  END IF;
  IF again OR cardinality(named) > 0 THEN
    EXECUTE format(
      'INSERT INTO %I SELECT l.* FROM %I l WHERE l.id = ANY ($1) OR EXISTS (SELECT 1 FROM held h '
      'WHERE (h.patient = l.patient OR h.patient IS NULL) AND ((l.time < h.until AND coalesce(l.time_end, l.time) >= h.since) '
      'OR (l.id >= h.first_row AND l.id < h.end_row))) ON CONFLICT DO NOTHING',
      fresh, leaf) USING named;
  END IF;
  EXECUTE format('SELECT count(*) FROM %I', fresh) INTO kept;
  SELECT pg_get_expr(relpartbound, oid) INTO bound FROM pg_class WHERE oid = to_regclass(leaf);
  EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL)', spans || '_kept', spans);
  EXECUTE format('INSERT INTO %I SELECT s.* FROM %I s WHERE s.id IN (SELECT id FROM %I)', spans || '_kept', spans, fresh);

  LOCK TABLE current_observation, range_observation IN ACCESS EXCLUSIVE MODE;
  EXECUTE format('ALTER TABLE current_observation DETACH PARTITION %I', leaf);
  EXECUTE format('DROP TABLE %I', leaf);
  EXECUTE format('ALTER TABLE %I RENAME TO %I', fresh, leaf);
  EXECUTE format('ALTER TABLE current_observation ATTACH PARTITION %I %s', leaf, bound);
  EXECUTE format('GRANT INSERT ON %I TO fhir_write', leaf);
  EXECUTE format('ALTER TABLE range_observation DETACH PARTITION %I', spans);
  EXECUTE format('DROP TABLE %I', spans);
  EXECUTE format('ALTER TABLE %I RENAME TO %I', spans || '_kept', spans);
  EXECUTE format('ALTER TABLE range_observation ATTACH PARTITION %I %s', spans, bound);
  EXECUTE format('GRANT INSERT ON %I TO fhir_write', spans);
  RETURN kept;
END $$;
REVOKE ALL ON FUNCTION copy_observation_leaf, swap_observation_leaf FROM public;
GRANT EXECUTE ON FUNCTION copy_observation_leaf, swap_observation_leaf TO fhir_worker;
"""


def _run(script: str) -> None:
    """Run a script of several statements, which only the driver's own connection takes."""
    connection = op.get_bind().connection.driver_connection
    assert connection is not None
    connection.execute(script)


def upgrade() -> None:
    """Create the tables of jobs and policies, and the functions that replace partitions."""
    _run("SET ROLE fhir_owner")
    _run(_TABLES)
    for table in ("job", "retention_policy"):
        _run(
            f"""
            ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
            ALTER TABLE {table} FORCE ROW LEVEL SECURITY;
            CREATE POLICY tenant_write ON {table} TO fhir_write USING ({_TENANT}) WITH CHECK ({_TENANT});
            CREATE POLICY due ON {table} FOR SELECT TO fhir_worker USING (true);
            GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO fhir_write;
            """
        )
    _run(_LOCK_FLAGS)
    _run(_REPLACE_LEAF)
    _run("RESET ROLE")
