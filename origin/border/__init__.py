"""What other nodes may ask of an origin: grants (a shield), tombstones (an edge), details (another region's feed).

`grants` has the routes, each of which checks the node's token; `details` (pure) is what travels.
"""
