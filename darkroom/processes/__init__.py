"""How one process starts: `darkroom run KIND NODE`.

In come a kind, a node's name and the topology; out goes one serving process. Writes nothing of its own.
Read run, then entry_points and wsgi.
"""
