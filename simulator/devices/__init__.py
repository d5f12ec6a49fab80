"""Simulated devices: who they are and the messages they say. Pure; no clock, no network."""
