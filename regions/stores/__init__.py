"""Five ports and their adapters: `objects`, `catalog`, `feeds`, `events` and `settings`.

Each port is a file with Protocols, whose docstrings are the contract. Each technology is a package beside them, opened
through its `adapter.py` by `regions.config` alone. One behaviour suite for each port (`tests/contract`) runs against
every adapter. Read a port first, then `sqlite` and `directory` (embedded), then the package of a real server.
"""
