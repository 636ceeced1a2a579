"""One CDN node: a shared cache (RFC 9111) in front of the images, and the way in to every region's API.

In come HTTP requests of people and of other edges, and the tombstones of every region; out go responses, and requests
to origins, shields and objects. Everything is served by greenlets of one process. The only thing it writes is its
cache folder, which may vanish at any time.

The way of a request: `connections` → `app` → `images` (→ `cache`, `flights` → `upstream`), `forward` or `page`.
Without I/O: `wire`, `responses`, `routing`, `freshness`, `eviction`, `grants`, `cache_status`.
`server` wires it all.
"""
