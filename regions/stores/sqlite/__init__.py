"""Catalog, feeds, events and settings on SQLite, one file each: what one machine needs, and nothing to install.

`adapter` puts them together. Read `database` (transactions, threads); `rows`, `photos`, `social` and `records` (the
catalog); `feeds`; `settings` and `leases` (numbers and locks); and `events` with `membership` (consumer groups) and
`notifier` (wakes waiting consumers). `health` checks any of these files.
"""
