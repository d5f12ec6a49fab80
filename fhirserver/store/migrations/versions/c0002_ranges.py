"""Ranges of device readings, indexes that pages are walked along, and policies that ask their settings once.

- `resource_range` becomes partitioned like `resource`: by type, Observation and AuditEvent by row id, whose weekly
  leaves have no row-level security, so that COPY may fill them. Its rows have no primary key: they are written with
  their resource and looked up by it or by their values.
- The primary key of `resource` begins with the row id, which only ever grows: pages in the order of ids are walked
  along it, and filling it touches one page instead of one for each bucket.
- Telemetry gets a B-tree on the last update, the types that references lead to one on their own key.
- A setting in a policy is read once for a statement, not once for a row.

Rows of ranges that are there already move over. Device Observations of before have none: their values are
encrypted, so a reindex adds them.
"""

from alembic import op

from fhirserver import definitions

revision = "c0002"
down_revision = "c0001"
branch_labels = None
depends_on = None

_TENANT = "tenant = (SELECT current_setting('app.tenant')::int)"
# CASE, because the planner then leaves it out of its guesses: what a query says itself of patients, it can count.
_CALLER = (
    f"{_TENANT} AND CASE WHEN (SELECT current_setting('app.scope', true)) = 'tenant' THEN true "
    "ELSE patient IS NULL OR patient = ANY ((SELECT current_setting('app.patients')::bigint[])::bigint[]) END"
)
_RANGED = ("Observation", "AuditEvent")
# The types with a partition of their own.
_OWN_PARTITION = (
    *_RANGED, "CareTeam", "Claim", "Communication", "Condition", "Consent", "Device", "DeviceMetric",
    "DeviceUseStatement", "DiagnosticReport", "DocumentReference", "Encounter", "ExplanationOfBenefit", "Flag",
    "Immunization", "Location", "MedicationRequest", "Organization", "Patient", "Practitioner", "Procedure",
    "Provenance", "QuestionnaireResponse", "RelatedPerson", "ServiceRequest", "Subscription", "Task",
)  # fmt: skip
_READ_TOO = ("tenant_key", "data_key", "resource_location", "care_membership")


def _run(script: str) -> None:
    """Run a script of several statements, which only the driver's own connection takes."""
    connection = op.get_bind().connection.driver_connection
    assert connection is not None
    connection.execute(script)


def upgrade() -> None:
    """Change everything as fhir_owner, after what only a superuser may do."""
    # Comparisons of numbers and of the length of spans need the same mark as the operators on arrays to be used in an
    # index condition: they raise nothing that depends on values which this schema can hold.
    _run(
        """
        DO $$ BEGIN
          ALTER FUNCTION pg_catalog.numeric_lt(numeric, numeric) LEAKPROOF;
          ALTER FUNCTION pg_catalog.numeric_le(numeric, numeric) LEAKPROOF;
          ALTER FUNCTION pg_catalog.numeric_gt(numeric, numeric) LEAKPROOF;
          ALTER FUNCTION pg_catalog.numeric_ge(numeric, numeric) LEAKPROOF;
          ALTER FUNCTION pg_catalog.numeric_eq(numeric, numeric) LEAKPROOF;
          ALTER FUNCTION pg_catalog.timestamptz_mi(timestamptz, timestamptz) LEAKPROOF;
          ALTER FUNCTION pg_catalog.interval_gt(interval, interval) LEAKPROOF;
          -- Each looks at every pair of elements; the planner takes them for as cheap as an addition.
          ALTER FUNCTION pg_catalog.arraycontains(anyarray, anyarray) COST 10;
          ALTER FUNCTION pg_catalog.arrayoverlap(anyarray, anyarray) COST 200;
        EXCEPTION WHEN insufficient_privilege THEN
          RAISE WARNING 'comparisons are not LEAKPROOF: searches for dates and quantities will scan until a superuser marks them';
        END $$
        """
    )
    _run("SET ROLE fhir_owner")
    _ranges()
    _functions()
    _move_ranges()
    _indexes()
    _policies()
    _run("RESET ROLE")


def _ranges() -> None:
    _run(
        """
        ALTER TABLE resource_range RENAME TO resource_range_before;
        ALTER INDEX resource_range_param RENAME TO resource_range_before_param;
        -- Dates as microseconds since 1970, half-open [lo, hi); numbers and quantities as they are or in base units,
        -- both ends in it; infinities allowed.
        CREATE TABLE resource_range (
          type smallint NOT NULL,
          bucket smallint NOT NULL,
          tenant int NOT NULL,
          patient bigint,
          param bigint NOT NULL,
          id uuid NOT NULL,
          lo numeric NOT NULL,
          hi numeric NOT NULL
        ) PARTITION BY LIST (type);
        CREATE TABLE range_rest PARTITION OF resource_range DEFAULT;
        """
    )
    for name in _RANGED:
        table = f"range_{name.lower()}"
        number = definitions.load().type_number(name)
        _run(
            f"""
            CREATE TABLE {table} PARTITION OF resource_range FOR VALUES IN ({number}) PARTITION BY RANGE (id);
            CREATE TABLE {table}_rest PARTITION OF {table} DEFAULT;
            -- Readings come in the order of their ids and are hardly ever changed.
            CREATE INDEX {table}_id ON {table} USING brin (id uuid_minmax_multi_ops) WITH (pages_per_range = 16);
            """
        )
    _run(
        f"""
        CREATE INDEX range_rest_id ON range_rest (id);
        CREATE INDEX resource_range_param ON resource_range (param, lo);
        CREATE INDEX resource_range_resource ON resource_range (param, id);
        -- Ranges with two ends, by the other one.
        CREATE INDEX resource_range_long ON resource_range (param, hi) WHERE lo < hi;
        ALTER TABLE resource_range ENABLE ROW LEVEL SECURITY;
        ALTER TABLE resource_range FORCE ROW LEVEL SECURITY;
        CREATE POLICY tenant_write ON resource_range TO fhir_write USING ({_TENANT}) WITH CHECK ({_TENANT});
        CREATE POLICY tenant_read ON resource_range FOR SELECT TO fhir_read USING ({_TENANT});
        GRANT SELECT, INSERT, UPDATE, DELETE ON resource_range TO fhir_write;
        GRANT SELECT ON resource_range TO fhir_read;
        GRANT INSERT ON range_observation_rest TO fhir_write;
        """
    )


def _functions() -> None:
    _run(
        """
        CREATE OR REPLACE FUNCTION ensure_observation_partition(leaf text, lo uuid, hi uuid) RETURNS void
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
        DECLARE
          ranges text := replace(leaf, 'current_', 'range_');
        BEGIN
          IF leaf !~ '^current_observation_[0-9]{8}$' THEN
            RAISE EXCEPTION 'not a partition name: %', leaf;
          END IF;
          IF to_regclass(leaf) IS NULL THEN
            EXECUTE format('CREATE TABLE %I PARTITION OF current_observation FOR VALUES FROM (%L) TO (%L)', leaf, lo, hi);
            EXECUTE format('GRANT INSERT ON %I TO fhir_write', leaf);
            EXECUTE format('ALTER TABLE %I ALTER COLUMN keys SET STATISTICS 300', leaf);
          END IF;
          IF to_regclass(ranges) IS NULL THEN
            EXECUTE format('CREATE TABLE %I PARTITION OF range_observation FOR VALUES FROM (%L) TO (%L)', ranges, lo, hi);
            EXECUTE format('GRANT INSERT ON %I TO fhir_write', ranges);
          END IF;
        END $$;
        -- Statistics are the owner's to see. Keys say nothing to who has no key of the index.
        CREATE FUNCTION common_keys() RETURNS SETOF bigint
        LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
          SELECT DISTINCT unnest(most_common_elems::text::bigint[]) FROM pg_stats
          WHERE schemaname = 'public' AND attname = 'keys' AND tablename ~ '^current_'
        $$;
        REVOKE ALL ON FUNCTION common_keys FROM public;
        GRANT EXECUTE ON FUNCTION common_keys TO fhir_read;
        -- A partition of ranges for every week that has one of resources already.
        DO $$
        DECLARE leaf record;
        BEGIN
          FOR leaf IN
            SELECT c.relname AS name,
                   regexp_match(pg_get_expr(c.relpartbound, c.oid), $re$FROM \\('([^']+)'\\) TO \\('([^']+)'\\)$re$) AS bounds
            FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
            WHERE i.inhparent = 'current_observation'::regclass AND c.relname ~ '^current_observation_[0-9]{8}$'
          LOOP
            PERFORM ensure_observation_partition(leaf.name, leaf.bounds[1]::uuid, leaf.bounds[2]::uuid);
          END LOOP;
        END $$;
        """
    )


def _move_ranges() -> None:
    # Even the owner is under the policies of a table that forces them.
    _run(
        """
        ALTER TABLE resource_range_before NO FORCE ROW LEVEL SECURITY;
        ALTER TABLE resource_range NO FORCE ROW LEVEL SECURITY;
        INSERT INTO resource_range (type, bucket, tenant, patient, param, id, lo, hi)
          SELECT type, bucket, tenant, patient, param, id, lo, hi FROM resource_range_before;
        ALTER TABLE resource_range FORCE ROW LEVEL SECURITY;
        DROP TABLE resource_range_before;
        """
    )


def _indexes() -> None:
    # What is common is told apart from what is rare at one row in a thousand or two.
    _run("ALTER TABLE resource ALTER COLUMN keys SET STATISTICS 300")
    # Few spans are long. A search for what ends after a moment looks at those, and at what began up to a day before it.
    _run(
        """
        ALTER TABLE resource DROP CONSTRAINT resource_pkey;
        ALTER TABLE resource ADD PRIMARY KEY (id, bucket, type);
        CREATE INDEX resource_long ON resource (time_end) WHERE (time_end - time) > interval '1 day';
        """
    )
    for name in _RANGED:
        table = f"current_{name.lower()}"
        _run(f"DROP INDEX {table}_updated")
        # A batch of readings has one moment: without the id, the index holds that once.
        _run(f"CREATE INDEX {table}_updated ON {table} (updated)")
    # Chains lead to what a row is called; device readings are the targets of few and many.
    for name in _OWN_PARTITION:
        if name not in _RANGED:
            table = f"current_{name.lower()}"
            _run(f"CREATE INDEX {table}_own ON {table} (own)")
    _run("CREATE INDEX current_rest_own ON current_rest (own)")


def _policies() -> None:
    _run(
        f"""
        ALTER POLICY tenant_write ON resource USING ({_TENANT}) WITH CHECK ({_TENANT});
        ALTER POLICY caller_read ON resource USING ({_CALLER});
        ALTER POLICY tenant_write ON resource_history USING ({_TENANT}) WITH CHECK ({_TENANT});
        ALTER POLICY caller_read ON resource_history USING ({_CALLER});
        """
    )
    for table in _READ_TOO:
        _run(f"ALTER POLICY tenant_read ON {table} USING ({_TENANT})")
