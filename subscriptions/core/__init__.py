"""Decisions without I/O: time, ids and state are arguments, changes and alerts are results."""
