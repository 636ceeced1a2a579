"""The production adapters of three ports, each beside its server's own client or tool: `bench/stores.py` runs them.

In: the address of a server that answers. Out: rows of results.
"""
