"""Objects in S3, or in a store with the same protocol: two buckets for each region. `adapter` opens it.

Read `session` (client, deadlines, differences between stores), `buckets` (their setup), `objects` (the port), and then
its parts: `upload` (one multipart upload), `puts`, `reads`, `signing` and `download`. `health` has the
checks of `darkroom doctor`.
"""
