"""One region's HTTP API (Falcon): people, uploads, photos, feeds, and the API for other servers (`border`).

In come requests, through an edge; out go JSON documents, signed part URLs that lead straight to the object store, and
events. Writes the catalog (with its outbox), the event log, feeds (removals) and settings (its registration); a
photo's bytes never pass through it. Read `app` (all routes), `context`, `fields`, `views`, then `people`, `uploads`,
`photos`, `feed`, `residency_guard` and `border`.
"""
