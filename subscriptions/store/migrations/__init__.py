"""Alembic revisions of the tables behind rules, alerts and deliveries."""
