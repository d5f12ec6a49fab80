"""Alembic's entry: runs the migrations on the connection that `fhirserver.store.migrate` hands over."""

from alembic import context

connection = context.config.attributes["connection"]
context.configure(
    connection=connection, transaction_per_migration=True, version_table="schema_version"
)
with context.begin_transaction():
    context.run_migrations()
