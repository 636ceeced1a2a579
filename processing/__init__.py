"""One region's photo work: from a raw that somebody uploaded to variants that everybody may see, and into feeds.

In come events (`photos_uploaded`, `photo_ready`, `photo_referenced`, `follow_changed`) and raws from the
objects; out go variants, `photo_ready`, and photos that are ready, failed or rejected. Writes the bucket
`variants`, the catalog (with its outbox) and feeds; reads the settings. The work on pixels runs in Dask
workers, processes of their own, which any file may kill and none can bring down for good.
"""
