"""Schema of the record, one Alembic revision a step."""
