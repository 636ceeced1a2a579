"""Events: facts on the event log, written with the change they report, read at least once.

Read `topics` (the one table: topic, groups, process), `messages` (the events), `outbox` (published after the write),
`subscription` (how every room reads) and `commit_window` (what may be committed when work finishes out of order).
"""
