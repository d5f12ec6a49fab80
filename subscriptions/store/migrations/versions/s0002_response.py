"""Reaching people and subscribers: ladders, timers, contacts, cursors, events, attempts, codes.

Times are those of the transaction that wrote the row. Telephone numbers, texts, codes and the state
of a ladder are envelopes; numbers and codes are looked up by keyed hashes.
"""

from alembic import op

revision = "s0002"
down_revision = "s0001"
branch_labels = None
depends_on = None

_TENANT = "tenant = current_setting('app.tenant')::int"

_TABLES = """
-- The ladder of one incident; bucket of the patient.
CREATE TABLE ladder (
  bucket int NOT NULL,
  tenant int NOT NULL,
  incident uuid NOT NULL,
  patient text NOT NULL,
  parent text NOT NULL,
  open boolean NOT NULL,
  state bytea NOT NULL,
  updated timestamptz NOT NULL,
  PRIMARY KEY (bucket, tenant, incident)
);
CREATE INDEX ladder_open ON ladder (tenant, patient) WHERE open;

-- What comes due on a ladder; bucket of the patient. `generation` is the ladder's round.
CREATE TABLE timer (
  bucket int NOT NULL,
  tenant int NOT NULL,
  incident uuid NOT NULL,
  kind text NOT NULL,
  patient text NOT NULL,
  due_at timestamptz NOT NULL,
  generation int NOT NULL,
  PRIMARY KEY (bucket, tenant, incident, kind)
);
CREATE INDEX timer_due ON timer (due_at);

-- Who stands on a patient's ladder and how they are reached; bucket of the patient.
CREATE TABLE contact (
  bucket int NOT NULL,
  tenant int NOT NULL,
  patient text NOT NULL,
  care_team text NOT NULL,
  member text NOT NULL,
  tier int NOT NULL,
  language text NOT NULL,
  phone_lookup bigint,
  shares_with_patient boolean NOT NULL,
  subscription text,
  starts timestamptz,
  ends timestamptz,
  PRIMARY KEY (bucket, tenant, patient, care_team, member)
);
CREATE INDEX contact_member ON contact (tenant, member);

-- One row per Subscription: how far it has been numbered and delivered; bucket of the Subscription.
CREATE TABLE subscription_cursor (
  bucket int NOT NULL,
  tenant int NOT NULL,
  subscription text NOT NULL,
  topic text NOT NULL,
  channel text NOT NULL,
  status text NOT NULL,
  member text,
  phone_lookup bigint,
  language text,
  proven boolean NOT NULL DEFAULT false,
  owner_kind text,
  owner text,
  heartbeat int,
  last_number bigint NOT NULL DEFAULT 0,
  delivered_through bigint NOT NULL DEFAULT 0,
  due_at timestamptz,
  last_sent timestamptz,
  lease_until timestamptz,
  epoch bigint NOT NULL DEFAULT 0,
  failing_since timestamptz,
  attempts int NOT NULL DEFAULT 0,
  PRIMARY KEY (bucket, tenant, subscription)
);
CREATE INDEX subscription_cursor_due ON subscription_cursor (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX subscription_cursor_phone ON subscription_cursor (tenant, phone_lookup)
  WHERE phone_lookup IS NOT NULL;

-- Which Subscriptions an event may interest, by the hash of one filter of theirs; `required` holds
-- the hashes of all filters, each a list of alternatives. Bucket of (topic, filter_key).
CREATE TABLE subscription_match (
  bucket int NOT NULL,
  tenant int NOT NULL,
  topic text NOT NULL,
  filter_key bigint NOT NULL,
  subscription text NOT NULL,
  required jsonb NOT NULL,
  owner_kind text,
  owner text,
  PRIMARY KEY (bucket, tenant, topic, filter_key, subscription)
);
CREATE INDEX subscription_match_subscription ON subscription_match (tenant, subscription);

-- What a Subscription is owed; bucket of the focus. Unnumbered until its sequencer has seen it.
-- `appended` orders what one resource's row lock has ordered.
CREATE TABLE event (
  bucket int NOT NULL,
  tenant int NOT NULL,
  id uuid NOT NULL,
  appended bigint GENERATED ALWAYS AS IDENTITY,
  subscription text NOT NULL,
  number bigint,
  action text NOT NULL,
  focus_type text NOT NULL,
  focus_id text NOT NULL,
  focus_version int NOT NULL,
  patient text,
  at timestamptz NOT NULL,
  PRIMARY KEY (bucket, tenant, id)
);
CREATE INDEX event_unnumbered ON event (tenant, subscription, appended) WHERE number IS NULL;
CREATE INDEX event_number ON event (tenant, subscription, number) WHERE number IS NOT NULL;
CREATE INDEX event_at ON event (at);

-- One try to hand something over; the id carries its bucket (the patient's where there is one).
CREATE TABLE attempt (
  bucket int NOT NULL,
  tenant int NOT NULL,
  id uuid NOT NULL,
  subscription text NOT NULL,
  epoch bigint NOT NULL,
  number bigint,
  medium text NOT NULL,
  task text,
  page int,
  incident uuid,
  patient text,
  member text,
  communication text,
  phone_lookup bigint,
  started timestamptz NOT NULL,
  finished timestamptz,
  outcome text,
  provider_ref text,
  receipt text,
  receipt_stage int NOT NULL DEFAULT 0,
  receipt_at timestamptz,
  detail bytea,
  PRIMARY KEY (bucket, tenant, id)
);
CREATE INDEX attempt_subscription ON attempt (tenant, subscription, started);
CREATE INDEX attempt_incident ON attempt (tenant, incident) WHERE incident IS NOT NULL;
CREATE INDEX attempt_phone ON attempt (tenant, phone_lookup, started)
  WHERE phone_lookup IS NOT NULL;

-- What a telephone may answer with; bucket of the telephone's hash. Without incident: proof of a
-- number.
CREATE TABLE reply_code (
  bucket int NOT NULL,
  tenant int NOT NULL,
  phone_lookup bigint NOT NULL,
  lookup bigint NOT NULL,
  incident uuid,
  patient text,
  member text NOT NULL,
  subscription text NOT NULL,
  code bytea NOT NULL,
  issued timestamptz NOT NULL,
  expires timestamptz NOT NULL,
  PRIMARY KEY (bucket, tenant, phone_lookup, lookup)
);
CREATE INDEX reply_code_expires ON reply_code (expires);

-- Messages from telephones already acted on, with what was answered; bucket of the message's hash.
CREATE TABLE inbound_message (
  bucket int NOT NULL,
  tenant int NOT NULL,
  lookup bigint NOT NULL,
  received timestamptz NOT NULL,
  answer bytea NOT NULL,
  PRIMARY KEY (bucket, tenant, lookup)
);
CREATE INDEX inbound_message_received ON inbound_message (received);
"""

_ALL = (
    "ladder",
    "timer",
    "contact",
    "subscription_cursor",
    "subscription_match",
    "event",
    "attempt",
    "reply_code",
    "inbound_message",
)
_SCANNED = (
    "timer",
    "subscription_cursor",
    "event",
    "reply_code",
    "inbound_message",
)


def _run(script: str) -> None:
    """Run a script of several statements, which only the driver's own connection takes."""
    connection = op.get_bind().connection.driver_connection
    if connection is None:
        raise RuntimeError("migrations need a live connection")
    connection.execute(script)


def upgrade() -> None:
    """Create the tables as fhir_owner, each closed to other tenants."""
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
    for table in _SCANNED:
        _run(f"CREATE POLICY due ON {table} FOR SELECT TO fhir_worker USING (true)")
    _run("RESET ROLE")
