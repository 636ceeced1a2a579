"""The operators' commands: `where`, `prepare` and `doctor`.

In comes a topology; out go tables, and an exit code that is 1 when something is wrong. Only `prepare` writes:
what each store needs before its first use, and a policy. Read prepare, doctor with diagnosis (pure), then where.
"""
