"""The catalog on Cassandra: a keyspace per region, tables made by migrations, LOCAL_QUORUM, conditional writes (Paxos).

In comes every call of the catalog port; out come records, and Unavailable when the nodes do not respond. It writes the
tables of `schema.MIGRATIONS` and nothing else.

`adapter` puts it together. Read `session` (deadlines, retries, consistency), `schema`, `partitions`, then `photos` (one
partition per photo), `outbox` (intents and events), `deletion`, then how deletions are listed (`tombstones`,
`tombstone_writer`), `expiries`, and `social` and `records` for the rest. `health` holds the checks that
`darkroom doctor` runs.
"""
