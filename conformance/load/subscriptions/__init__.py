"""Loads on Subscriptions: how soon, how many, and whether one bad endpoint delays the others."""
