"""The Python client: everything a user can do, through one edge. Light: urllib3 and rich.

Read `client` (the methods), then `transfer` (an upload in parts, resumed where it stopped) and `http` (one request,
its deadlines and retries).
"""
