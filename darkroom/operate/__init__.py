"""The operators' commands, from `prepare` and `doctor` to `where`.

Each takes a topology, prints a table, and exits with 1 if something is wrong. Some write: `prepare` what each store
needs before its first use, and a policy; `known-bad` the list of pictures that may not be shown; `reprocess` events,
and how far it has come; `lanes retry` events; `lanes set` what a lane may do. Read prepare, then doctor with diagnosis
(pure), then where with photo_walk and stored_copy (pure), then policy_file with policy_expectations (pure), which
compare files and ask no system.
"""
