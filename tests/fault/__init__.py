"""Crashes and hangs: kill -9 of our processes and of real servers, and what the stores then have."""
