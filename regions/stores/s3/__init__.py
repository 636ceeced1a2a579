"""Objects in S3, or in a store that speaks its protocol: two buckets for each region. `adapter` opens it.

Read `session` (client, deadlines, dialects), `buckets` (how they are set up), `objects` (the port), then what it is
made of: `upload` (one multipart upload), `puts` and `download`.
"""
