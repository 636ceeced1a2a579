"""What a region does in the background that is neither pixels nor copies: the process kind `janitor`, without Dask.

In come `photo_ready`, `photo_referenced` and `follow_changed`, the outbox, expired uploads and deleted accounts. Writes
feeds and the event log; removes expired uploads from the catalog and their parts from the object store, and what
deleted accounts have left. Read `janitor` first, then `fanout`, `expired_uploads`, `erasure` and `exclusive`.
"""
