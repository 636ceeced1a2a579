"""Five ports and their adapters: each port is a file with a Protocol, each adapter a file beside it.

The docstrings of a Protocol are its contract, and one behaviour suite for each port
(`tests/contract`) runs against every adapter.
"""
