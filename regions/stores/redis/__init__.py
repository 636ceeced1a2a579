"""The feeds and the limits on Redis: one capped sorted set for each user, and one number for each limit of somebody.

Photo ids come in by `add` and go out by `page`. `adapter` opens them; `feeds` and `limits` are all of it.
"""
