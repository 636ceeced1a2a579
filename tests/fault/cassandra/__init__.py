"""Faults of a Cassandra. A package, so that its server ends with its last test."""
