"""The record in PostgreSQL: the only SQL of the record is here.

Rows are encrypted and indexed blindly; two walls keep patients apart, the access decision that every query carries
and row-level security underneath it.
"""
