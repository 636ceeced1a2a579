"""What one server asks of another region's origin, across a border.

In come requests with a node token: from shields for grants, from edges for tombstones, from regions for details.
Out go signed URLs with residency decisions, tombstones, and the few fields of a photo that a feed shows. Writes
only the audit log. Read `grants`, then `tombstones`, `details` (pure) and `details_resource`.
"""
