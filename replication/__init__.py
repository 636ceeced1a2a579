"""The only package that moves stored bytes across a border: one lane to each other region, and erasure at home.

In come `photo_ready`, `photo_deleted` and `follow_changed` from the home region's event log; out go verified copies,
metadata, tombstones and references. Writes the objects, catalog and event log of the destination; at the photo's home
it writes the replicas and the audit log, and erases the objects of deleted photos.
Read `placement` and `instructions`, which are pure and decide; then `handlers`, `transfer` and `erasure`, which act;
then `replicator`, which assembles a process.
"""
