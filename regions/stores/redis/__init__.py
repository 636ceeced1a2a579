"""The feeds on Redis: one capped sorted set for each user.

Photo ids come in by `add` and go out by `page`; nothing else is written. `adapter` opens it, and `feeds` is all of it.
"""
