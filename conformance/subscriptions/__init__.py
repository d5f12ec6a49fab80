"""Subscriptions seen from outside: a conformance tester for any server, a checker of what receivers were told."""
