"""How frequent keys and times are, for the server to decide how a search is written.

Statistics are the owner's to see. Keys say nothing to who has no key of the index, and times are bounds of a hundredth
of all rows each.
"""

from alembic import op

revision = "c0006"
down_revision = "c0005"
branch_labels = None
depends_on = None

# The leaves with current resources, and the part of all resources that each is of: a type, or the rest of them.
_LEAVES = """
  SELECT c.relname AS name, greatest(c.reltuples, 0) AS rows,
         CASE WHEN c.relname ~ '^current_observation_' THEN 'observation'
              WHEN c.relname ~ '^current_auditevent_' THEN 'auditevent'
              ELSE substr(c.relname, 9) END AS part
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname = 'public' AND c.relkind = 'r' AND c.relname ~ '^current_'
"""


def upgrade() -> None:
    """Tell the frequencies in the place of the bare common keys."""
    connection = op.get_bind().connection.driver_connection
    assert connection is not None
    connection.execute(
        f"""
        SET ROLE fhir_owner;
        DROP FUNCTION common_keys();
        -- How many rows have a common key, and their share of the rows of its type.
        CREATE FUNCTION key_frequencies() RETURNS TABLE (key bigint, rows float8, share float8)
        LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
          WITH leaf AS ({_LEAVES}), whole AS (SELECT l.part, sum(l.rows) AS rows FROM leaf l GROUP BY l.part)
          SELECT e.key, sum(e.frequency * l.rows)::float8,
                 coalesce(sum(e.frequency * l.rows) / nullif(max(w.rows), 0), 1)::float8
          FROM leaf l JOIN whole w USING (part)
          JOIN pg_stats s ON s.schemaname = 'public' AND s.tablename = l.name AND s.attname = 'keys'
          CROSS JOIN LATERAL unnest(s.most_common_elems::text::bigint[], s.most_common_elem_freqs) e(key, frequency)
          WHERE e.key IS NOT NULL
          GROUP BY e.key
        $$;
        -- For each leaf: stretches of as many rows each, whose share of all is `spread`, and times that are common.
        CREATE FUNCTION time_frequencies() RETURNS TABLE
          (part text, total float8, bounds float8[], spread float8, common float8[], frequencies float8[])
        LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
          WITH leaf AS ({_LEAVES})
          SELECT l.part, l.rows::float8,
                 ARRAY(SELECT extract(epoch FROM b)::float8 FROM unnest(s.histogram_bounds::text::timestamptz[]) b),
                 (1 - s.null_frac - coalesce((SELECT sum(f) FROM unnest(s.most_common_freqs) f), 0))::float8,
                 ARRAY(SELECT extract(epoch FROM v)::float8 FROM unnest(s.most_common_vals::text::timestamptz[]) v),
                 coalesce(s.most_common_freqs::float8[], '{{}}')
          FROM leaf l
          JOIN pg_stats s ON s.schemaname = 'public' AND s.tablename = l.name AND s.attname = 'time'
        $$;
        REVOKE ALL ON FUNCTION key_frequencies, time_frequencies FROM public;
        GRANT EXECUTE ON FUNCTION key_frequencies, time_frequencies TO fhir_read;
        RESET ROLE;
        """
    )
