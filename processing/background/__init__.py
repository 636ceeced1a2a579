"""What a region does in the background that is neither pixels nor copies: the process kind `janitor`, without Dask.

In come `photo_ready`, `photo_referenced` and `follow_changed`, the outbox, and expired uploads. Writes feeds and the
event log; removes expired uploads from the catalog and their parts from the object store.
Read `janitor` first, then `fanout`, `expired_uploads` and `exclusive`.
"""
