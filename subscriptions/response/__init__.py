"""Reacts to alerts and answers inside the write transaction; the worker does the sending."""
