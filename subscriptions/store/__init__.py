"""The SQL of the subscriptions package, and nothing but SQL."""
