"""One CDN node: a shared cache (RFC 9111) in front of the images, and the entry to every region's API.

Requests come in from clients and from other edges, and tombstones from every region. Responses go out, and requests
to origins, shields and object stores. Greenlets of one process serve everything. The cache folder is the only thing
the edge writes, and it may be deleted at any time.

Read the files in the order of a request: `connections` → `app` → `images` (→ `cache`, `flights` → `upstream`),
`forward` or `page`; then `tombstones` and `saved_cursors`. Without I/O: `http1`, `responses`, `routing`,
`account_routes`, `freshness`, `eviction`, `key_index`, `grants`, `cache_status`. `server` connects them all.
"""
