"""The record: tenants, keys, resources with history and ranges, devices, access, dead letters.

The shape is that of a store cut into 1024 buckets: the bucket is part of every primary key of patient-scoped tables,
there are no triggers and no foreign keys across buckets, and nothing relies on SERIALIZABLE.
"""

from alembic import op

from fhirserver import definitions

revision = "c0001"
down_revision = None
branch_labels = ("core",)
depends_on = None

_TENANT = "tenant = current_setting('app.tenant')::int"
# A caller without app.scope = 'tenant' sees rows of its patients and rows of no patient at all.
_CALLER = (
    f"{_TENANT} AND (patient IS NULL OR current_setting('app.scope', true) = 'tenant' "
    "OR patient = ANY (current_setting('app.patients')::bigint[]))"
)
_RANGED = ("Observation", "AuditEvent")
# Types with many rows or a key distribution of their own have a partition each, so that the planner's statistics speak
# of them alone; the others share one. A partition for every type would be a thousand relations, which every new
# database, backup and generic plan pays for.
_OWN_PARTITION = (
    *_RANGED, "CareTeam", "Claim", "Communication", "Condition", "Consent", "Device", "DeviceMetric",
    "DeviceUseStatement", "DiagnosticReport", "DocumentReference", "Encounter", "ExplanationOfBenefit", "Flag",
    "Immunization", "Location", "MedicationRequest", "Organization", "Patient", "Practitioner", "Procedure",
    "Provenance", "QuestionnaireResponse", "RelatedPerson", "ServiceRequest", "Subscription", "Task",
)  # fmt: skip

_TABLES = """
CREATE TABLE tenant (
  tenant int PRIMARY KEY,
  name text NOT NULL UNIQUE,
  created timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE tenant_key (
  tenant int NOT NULL,
  purpose text NOT NULL,
  version int NOT NULL,
  ring_key text NOT NULL,
  wrapped bytea NOT NULL,
  created timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant, purpose, version)
);

-- One data key per patient; patient 0 is the tenant's own key. key_id carries the bucket in its low ten bits.
CREATE TABLE data_key (
  bucket smallint NOT NULL,
  tenant int NOT NULL,
  key_id bigint NOT NULL,
  patient bigint NOT NULL,
  generation int NOT NULL,
  tenant_key int NOT NULL,
  wrapped bytea NOT NULL,
  created timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (bucket, tenant, key_id),
  UNIQUE (bucket, tenant, patient, generation)
);

CREATE TABLE resource (
  type smallint NOT NULL,
  bucket smallint NOT NULL,
  tenant int NOT NULL,
  id uuid NOT NULL,
  fhir_id text,
  version int NOT NULL,
  patient bigint,
  own bigint NOT NULL,
  time timestamptz,
  time_end timestamptz,
  updated timestamptz NOT NULL,
  deleted boolean NOT NULL DEFAULT false,
  keys_version smallint NOT NULL,
  keys bigint[] NOT NULL,
  key_id bigint NOT NULL,
  content bytea NOT NULL,
  txid xid8 NOT NULL DEFAULT pg_current_xact_id(),
  PRIMARY KEY (type, bucket, id)
) PARTITION BY LIST (type);

CREATE TABLE resource_history (
  type smallint NOT NULL,
  bucket smallint NOT NULL,
  tenant int NOT NULL,
  id uuid NOT NULL,
  fhir_id text,
  version int NOT NULL,
  patient bigint,
  updated timestamptz NOT NULL,
  deleted boolean NOT NULL,
  key_id bigint NOT NULL,
  content bytea NOT NULL,
  txid xid8 NOT NULL,
  PRIMARY KEY (type, bucket, id, version)
) PARTITION BY LIST (type);

-- Dates as microseconds since 1970, numbers and quantities as they are: half-open [lo, hi), infinities allowed.
CREATE TABLE resource_range (
  bucket smallint NOT NULL,
  tenant int NOT NULL,
  type smallint NOT NULL,
  id uuid NOT NULL,
  param bigint NOT NULL,
  lo numeric NOT NULL,
  hi numeric NOT NULL,
  patient bigint,
  PRIMARY KEY (bucket, type, id, param, lo, hi)
);
CREATE INDEX resource_range_param ON resource_range (param, lo, hi);

-- Ids chosen by clients, and resources that moved to another bucket. Global: it is what makes such ids unique.
CREATE TABLE resource_location (
  tenant int NOT NULL,
  type smallint NOT NULL,
  fhir_id text NOT NULL,
  id uuid NOT NULL,
  PRIMARY KEY (tenant, type, fhir_id)
);

CREATE TABLE conditional_claim (
  tenant int NOT NULL,
  type smallint NOT NULL,
  criteria bigint NOT NULL,
  claimed timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant, type, criteria)
);

CREATE TABLE care_membership (
  bucket smallint NOT NULL,
  tenant int NOT NULL,
  patient text NOT NULL,
  team text NOT NULL,
  position int NOT NULL,
  member text NOT NULL,
  role text,
  starts timestamptz,
  ends timestamptz,
  PRIMARY KEY (bucket, tenant, patient, team, position)
);
CREATE INDEX care_membership_member ON care_membership (member);

CREATE TABLE access_token (
  digest bytea PRIMARY KEY,
  tenant int NOT NULL,
  kind text NOT NULL,
  reference text NOT NULL,
  issued timestamptz NOT NULL,
  expires timestamptz NOT NULL
);

CREATE TABLE access_epoch (
  single boolean PRIMARY KEY DEFAULT true CHECK (single),
  epoch bigint NOT NULL
);
INSERT INTO access_epoch (epoch) VALUES (1);

-- Devices by the address they use on the broker; the bucket is that of the address.
CREATE TABLE device_enrollment (
  bucket smallint NOT NULL,
  tenant int NOT NULL,
  address text NOT NULL,
  device text NOT NULL,
  secret bytea NOT NULL,
  enrolled timestamptz NOT NULL,
  revoked timestamptz,
  PRIMARY KEY (bucket, tenant, address)
);
CREATE INDEX device_enrollment_device ON device_enrollment (device);

CREATE TABLE device_binding (
  bucket smallint NOT NULL,
  tenant int NOT NULL,
  device text NOT NULL,
  statement text NOT NULL,
  patient text NOT NULL,
  starts timestamptz,
  ends timestamptz,
  PRIMARY KEY (bucket, tenant, device, statement)
);

CREATE TABLE device_birth (
  bucket smallint NOT NULL,
  tenant int NOT NULL,
  address text NOT NULL,
  boot text NOT NULL,
  received timestamptz NOT NULL,
  birth jsonb NOT NULL,
  PRIMARY KEY (bucket, tenant, address, boot)
);

CREATE TABLE device_stream (
  bucket smallint NOT NULL,
  tenant int NOT NULL,
  address text NOT NULL,
  boot text NOT NULL,
  kind text NOT NULL,
  committed int8multirange NOT NULL,
  clock_offset_ms bigint,
  last_received timestamptz NOT NULL,
  PRIMARY KEY (bucket, tenant, address, boot, kind)
);

CREATE TABLE device_fault (
  bucket smallint NOT NULL,
  tenant int NOT NULL,
  address text NOT NULL,
  boot text NOT NULL,
  fault text NOT NULL,
  lo bigint NOT NULL,
  hi bigint NOT NULL,
  noticed timestamptz NOT NULL,
  mended timestamptz,
  PRIMARY KEY (bucket, tenant, address, boot, fault, lo)
);

CREATE TABLE dead_letter (
  bucket smallint NOT NULL,
  tenant int NOT NULL,
  id uuid NOT NULL,
  door text NOT NULL,
  source text NOT NULL,
  reason text NOT NULL,
  received timestamptz NOT NULL,
  raw bytea NOT NULL,
  PRIMARY KEY (bucket, tenant, id)
);

CREATE TABLE ingest_lease (
  partition int PRIMARY KEY,
  holder text NOT NULL,
  epoch bigint NOT NULL,
  until timestamptz NOT NULL
);
"""

_TENANT_ONLY = (
    "tenant_key", "data_key", "resource_range", "resource_location", "conditional_claim", "care_membership",
    "device_enrollment", "device_binding", "device_birth", "device_stream", "device_fault", "dead_letter",
)  # fmt: skip
_READ_TOO = ("tenant_key", "data_key", "resource_range", "resource_location", "care_membership")


def _run(script: str) -> None:
    """Run a script of several statements, which only the driver's own connection takes."""
    connection = op.get_bind().connection.driver_connection
    assert connection is not None
    connection.execute(script)


def upgrade() -> None:
    """Create everything as fhir_owner, after what only a superuser may do."""
    # Under any policy an index condition is only used when its operator is leakproof; @> and && on arrays are not by
    # default, which would turn every search into a sequential scan. They do not reveal their arguments: both return
    # a boolean and raise nothing that depends on the values.
    _run(
        """
        DO $$ BEGIN
          ALTER FUNCTION pg_catalog.arraycontains(anyarray, anyarray) LEAKPROOF;
          ALTER FUNCTION pg_catalog.arrayoverlap(anyarray, anyarray) LEAKPROOF;
        EXCEPTION WHEN insufficient_privilege THEN
          RAISE WARNING 'arraycontains and arrayoverlap are not LEAKPROOF: searches will scan until a superuser marks them';
        END $$
        """
    )
    _run("SET ROLE fhir_owner")
    _run(_TABLES)
    _partitions()
    _policies()
    _functions()
    _run("RESET ROLE")


def _partitions() -> None:
    for name in _OWN_PARTITION:
        table = f"current_{name.lower()}"
        values = f"CREATE TABLE {table} PARTITION OF resource FOR VALUES IN ({definitions.load().type_number(name)})"
        if name in _RANGED:
            _run(f"{values} PARTITION BY RANGE (id)")
            _run(f"CREATE TABLE {table}_rest PARTITION OF {table} DEFAULT")
            # The pending list is what makes bulk loads of a GIN index cheap; bounded (kB), so that flushing it is short.
            options = "fastupdate = on, gin_pending_list_limit = 4096"
            _run(f"CREATE INDEX {table}_keys ON {table} USING gin (keys) WITH ({options})")
            _run(f"CREATE INDEX {table}_updated ON {table} USING brin (updated)")
        else:
            _run(values)
            _index(table)
    _run("CREATE TABLE current_rest PARTITION OF resource DEFAULT")
    _index("current_rest")
    _run("CREATE INDEX resource_patient_time ON resource (patient, time)")
    _run("CREATE INDEX resource_time ON resource (time)")
    _run("CREATE TABLE resource_history_rest PARTITION OF resource_history DEFAULT")


def _index(table: str) -> None:
    _run(f"CREATE INDEX {table}_keys ON {table} USING gin (keys)")
    _run(f"CREATE INDEX {table}_updated ON {table} (updated, id)")


def _policies() -> None:
    _run(
        f"""
        ALTER TABLE resource ENABLE ROW LEVEL SECURITY;
        ALTER TABLE resource FORCE ROW LEVEL SECURITY;
        CREATE POLICY tenant_write ON resource TO fhir_write USING ({_TENANT}) WITH CHECK ({_TENANT});
        CREATE POLICY caller_read ON resource FOR SELECT TO fhir_read USING ({_CALLER});
        ALTER TABLE resource_history ENABLE ROW LEVEL SECURITY;
        ALTER TABLE resource_history FORCE ROW LEVEL SECURITY;
        CREATE POLICY tenant_write ON resource_history TO fhir_write USING ({_TENANT}) WITH CHECK ({_TENANT});
        CREATE POLICY caller_read ON resource_history FOR SELECT TO fhir_read USING ({_CALLER});
        GRANT SELECT, INSERT, UPDATE ON resource TO fhir_write;
        GRANT SELECT, INSERT, DELETE ON resource_history TO fhir_write;
        GRANT DELETE ON resource TO fhir_write;
        GRANT SELECT ON resource, resource_history TO fhir_read;
        GRANT SELECT ON tenant, access_token, access_epoch TO fhir_write, fhir_read;
        GRANT INSERT ON tenant, access_token TO fhir_write;
        GRANT UPDATE ON access_epoch TO fhir_write;
        GRANT SELECT, INSERT, UPDATE ON ingest_lease TO fhir_worker;
        GRANT INSERT ON current_observation_rest TO fhir_write;
        """
    )
    for table in _TENANT_ONLY:
        _run(
            f"""
            ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
            ALTER TABLE {table} FORCE ROW LEVEL SECURITY;
            CREATE POLICY tenant_write ON {table} TO fhir_write USING ({_TENANT}) WITH CHECK ({_TENANT});
            GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO fhir_write;
            """
        )
    for table in _READ_TOO:
        _run(f"CREATE POLICY tenant_read ON {table} FOR SELECT TO fhir_read USING ({_TENANT})")
        _run(f"GRANT SELECT ON {table} TO fhir_read")


def _functions() -> None:
    # Leaf partitions are made ahead of time by the running server, which does not own the tables.
    _run(
        """
        CREATE FUNCTION ensure_observation_partition(leaf text, lo uuid, hi uuid) RETURNS void
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
        BEGIN
          IF leaf !~ '^current_observation_[0-9]{8}$' THEN
            RAISE EXCEPTION 'not a partition name: %', leaf;
          END IF;
          IF to_regclass(leaf) IS NULL THEN
            EXECUTE format('CREATE TABLE %I PARTITION OF current_observation FOR VALUES FROM (%L) TO (%L)', leaf, lo, hi);
            EXECUTE format('GRANT INSERT ON %I TO fhir_write', leaf);
          END IF;
        END $$;
        REVOKE ALL ON FUNCTION ensure_observation_partition FROM public;
        GRANT EXECUTE ON FUNCTION ensure_observation_partition TO fhir_worker;
        """
    )
