"""The API for other servers: what edges and other regions ask of this region's origin, across a border.

In come requests with a node token. Shields request grants, edges tombstones; regions request details, offer photos and
delete them, and say whom their people follow. Out go signed URLs with residency decisions, tombstones, what a feed
shows of a photo, and references. Writes what other regions' lanes bring (records, tombstones, arrivals, references),
and the audit log. Read `grants`, then `tombstones`, `details` (pure) and `details_resource`; then `receiving`, which is
the border's end of a lane, `batches`, `offers_resource` and `follows_resource`.
"""
