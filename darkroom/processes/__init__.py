"""How one process starts: `darkroom run KIND NODE`.

Takes a kind, a node's name and the topology, and becomes that process until SIGTERM. Writes nothing itself.
Read run, then entry_points and wsgi.
"""
