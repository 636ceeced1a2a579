"""The operators' commands: `where`, `prepare` and `doctor`.

Each takes a topology, prints a table, and exits with 1 if something is wrong. Only `prepare` writes: what each store
needs before its first use, and a policy. Read prepare, then doctor with diagnosis (pure),
then where with stored_copy (pure).
"""
