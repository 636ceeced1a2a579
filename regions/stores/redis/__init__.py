"""The feeds on Redis: one capped sorted set a user. `adapter` opens it; `feeds` is all there is."""
