"""Treatments: from what machines say to Procedures, run sheets and whether monitoring is armed."""
