"""The arithmetic of limits: the generic cell rate algorithm in its virtual-scheduling form (ITU-T I.371, annex A).

All that is kept of a limit is one time, `refilled_at_us`: when it would have all its units again if nobody took any. A
limit that has them all is not kept. Taking units moves the time forward by as long as they need to come back; there are
enough if that is not more than `refilled_in_s` from now. Every time is in microseconds of one clock.

A clock that steps back makes a limit look emptier than empty: then it is empty, and that is kept, also when nothing is
taken. One that steps forward refills it. Redis' script does the same as `held` and `after`. Pure: time is an argument.
"""

from collections.abc import Sequence

from regions.stores.limits import Limit, Standing, Wanted

_US = 1_000_000


def capacity_us(limit: Limit) -> int:
    return limit.refilled_in_s * _US


def cost_us(wanted: Wanted) -> int:
    """How long the units need to come back. Rounded down, so that `most` can be had: a take is up to 1 µs too cheap."""
    return wanted.cost * capacity_us(wanted.limit) // wanted.limit.most


def held(refilled_at_us: int | None, limit: Limit, now_us: int) -> int:
    """The kept time, None for none, as one that can be: from now to when an empty limit would be full."""
    return now_us if refilled_at_us is None else min(max(refilled_at_us, now_us), now_us + capacity_us(limit))


def after(wanted: Sequence[Wanted], held_us: Sequence[int], now_us: int) -> list[int] | None:
    """The times to keep when all of it has been taken; None if one limit has too little, and nothing changes."""
    new_us = [at_us + cost_us(one) for one, at_us in zip(wanted, held_us, strict=True)]
    fits = all(at_us <= now_us + capacity_us(one.limit) for one, at_us in zip(wanted, new_us, strict=True))
    return new_us if fits else None


def standings(wanted: Sequence[Wanted], held_us: Sequence[int], now_us: int) -> list[Standing]:
    """How the limits stand after `after`, given the times before it."""
    new_us = after(wanted, held_us, now_us)
    return [
        _standing(one, at_us if new_us is None else new_us[number], now_us, new_us is None)
        for number, (one, at_us) in enumerate(zip(wanted, held_us, strict=True))
    ]


def _standing(wanted: Wanted, refilled_at_us: int, now_us: int, is_refused: bool) -> Standing:
    limit, left_us = wanted.limit, refilled_at_us - now_us
    remaining = (capacity_us(limit) - left_us) * limit.most // capacity_us(limit)
    wait_us = max(0, left_us + cost_us(wanted) - capacity_us(limit)) if is_refused else 0
    return Standing(limit, remaining, left_us / _US, wait_us / _US)
