"""`darkroom run …` in which a border's minutes are seconds: `python -m tests.builders.hurried KIND NAME …`.

A deletion is confirmed ten minutes after a signed PUT was given out, and what a lane set aside waits for up to an hour.
A test can't wait for that, and what happens then is what it wants to see.
"""

import sys
from collections.abc import Sequence

from darkroom.processes import run
from origin.border import receiving
from regions.events import set_aside

_PUT_MS, _PUT_LASTS_MS = 8_000, 2_000
_DELAYS_MS = (1_000, 10_000, 10_000)
"""In the order of `set_aside.DELAYS`. The second is, as there, how long something may still arrive."""


def main(arguments: Sequence[str]) -> int:
    receiving.PUT_MS, receiving.PUT_LASTS_MS = _PUT_MS, _PUT_LASTS_MS
    for delay, wait_ms in zip(set_aside.DELAYS, _DELAYS_MS, strict=True):
        # Others have imported these values already, so they are changed and not replaced.
        object.__setattr__(delay, "ms", wait_ms)
    return run.main(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
