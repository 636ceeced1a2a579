"""The API for other servers: what edges and other regions request from this region's origin, across a border.

In come requests with a node token: shields request grants, edges request tombstones, regions request details. Out go
signed URLs with residency decisions, tombstones, and what a feed shows of a photo. Writes only the audit log. Read
`grants`, then `tombstones`, `details` (pure) and `details_resource`.
"""
