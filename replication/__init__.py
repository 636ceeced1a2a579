"""The replication room."""
