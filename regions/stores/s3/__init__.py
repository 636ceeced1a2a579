"""The objects on S3 or a store that speaks it: two buckets a region. `adapter` opens it.

Read `session` (client, deadlines, dialects), `buckets` (how they are set up), `objects`, then `uploads` and `download`.
"""
