"""What all packages share: the foundation of every process of a region.

In come a topology file, a residency policy and store URLs; out go ids, records, events, decisions and the five ports
to the stores, opened (`regions.stores`). The pure modules `errors`, `ids`, `image_limits`, `records`, `topology` and
`retry` do no I/O; `config` alone reads the environment and knows every adapter. Read `errors`, `ids`, `records`,
`topology`, then `stores`, `residency`, `events`, and `daemon` and `config` last.
"""
