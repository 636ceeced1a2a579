"""The only room that moves bytes at rest over a border: one lane for each other region, and erasure at home.

In come `photo_ready`, `photo_deleted` and `follow_changed` from the home's event log; out go verified copies,
metadata, tombstones and references. Writes the destination's objects, catalog and event log, and at the photo's
home the replicas, the audit log and, after a tombstone, nothing where the bytes were. `placement` and `lane`
decide; `handlers`, `transfer` and `erasure` act; `replicator` wires a process.
"""
