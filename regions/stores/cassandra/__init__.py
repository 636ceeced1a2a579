"""The catalog on Cassandra: a keyspace a region, typed tables by migration, LOCAL_QUORUM, conditional writes by Paxos.

`adapter` puts it together. Read `session` (deadlines, retries, consistency), `schema`, `partitions`, then `photos` (one
partition a photo), `outbox` (intents and events), `deletion`, `tombstones`, `expiries`, and `social` and `records` for
the rest. `health` is what `darkroom doctor` asks.
"""
