"""The whole system on one machine: `darkroom up`.

Read `machine` (pure: which processes there are and where each listens), then `launcher` (binds the sockets and starts
them), `supervisor` (restarts what dies), `data_folder` (keys, topology, policy) and `session` (who has signed up).
"""
