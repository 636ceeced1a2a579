"""The objects in a directory, fsynced, and the HTTP server through which clients reach them by signed URL.

`adapter` opens both. Read `files` (what it asks of a disk), `metadata`, `objects`, `signing` and `server`.
"""
