"""Objects in a directory of one machine, fsynced, and the HTTP server that gives access to them by signed URL.

`adapter` opens both. Read `files` (what the store needs from a disk), `metadata` (what it records beside the bytes),
`stored_objects` and `uploads` (the two halves of the store), `objects` (the port over them), `signing`,
`connection_limits` and `server`.
"""
