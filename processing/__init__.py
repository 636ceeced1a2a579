"""One region's photo work: from an uploaded raw to variants that can be served.

In come `photos_uploaded`, `photos_deferred` and the raws from the object store; out go variants, `photo_ready`, and
photos that are ready, failed or rejected. Writes the bucket `variants` and the catalog (with its outbox); reads the
settings. The work on pixels runs in Dask workers, in processes of their own, because any file may crash its decoder: a
crash costs one worker and never the service.
Read `processor`, `photo_processor`, `overflow`, `dispatcher`, `fair_queue`, `photo_cluster`; then what runs in workers:
`worker`, `job`, `formats`, `memory`, `imaging`, `fingerprints`, `moderation`, `placeholder`; then what all processors
share, in Dask's actors: `known_bad`, `near_duplicates`, `crew`, `crew_member`, and `autoscale`; what others see of it:
`status_meter`. What needs no Dask is in `background`.
"""
