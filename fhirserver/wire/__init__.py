"""Bytes to values and back, without I/O: one codec per wire format."""
