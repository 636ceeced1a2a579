"""Events: how one process of a region notifies the others.

In come events that the catalog stored with the change they report (its outbox); out go handler calls, at least once and
in order for each key. Writes the event log and its commits, and removes published events from the outbox. Read `topics`
(the table of who reads what), `messages`, `outbox`, `commit_window`, then `subscription`.
"""
