"""Files of every kind with parts changed, cut, spliced and repeated: refused or drawn, without a crash or a hang.

`make fuzz MINUTES=30` goes on for longer, and `make fuzz SEED=… FIRST=…` begins with a certain file.
"""

import itertools
import os
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.builders import fuzz
from tests.builders.sandbox import CRASHED, ERROR, Sandbox

COUNT = 1500
CPU_S = 20


def numbers(first: int) -> Iterator[int]:
    """Of a fixed count of files; or of as many as there is time for."""
    minutes = float(os.environ.get("DARKROOM_FUZZ_MINUTES", 0))
    if not minutes:
        yield from range(first, first + COUNT)
        return
    end_s = time.monotonic() + 60 * minutes
    yield from itertools.takewhile(lambda _: time.monotonic() < end_s, itertools.count(first))


def test_a_file_that_is_nearly_right_is_refused_or_drawn(tmp_path: Path):
    """In a process of its own. Inputs that bring it down are kept."""
    seed = int(os.environ.get("DARKROOM_FUZZ_SEED") or random.SystemRandom().randrange(1 << 32))
    first = int(os.environ.get("DARKROOM_FUZZ_FIRST") or 0)
    sys.stdout.write(f"seed {seed}, from number {first}\n")
    failures, count = [], 0
    with Sandbox(tmp_path, CPU_S) as sandbox:
        for number in numbers(first):
            what, data = fuzz.fuzzed(seed, number)
            outcome = sandbox.run(data)
            count += 1
            if outcome.code in (CRASHED, ERROR):
                kept = tmp_path / f"{seed}-{number}"
                kept.write_bytes(data)
                failures.append(f"{what}: {outcome.detail}\n  echo {kept} | python -m tests.builders.sandbox {CPU_S}\n"
                                f"  make fuzz SEED={seed} FIRST={number}")  # fmt: skip
    sys.stdout.write(f"{count} files\n")
    if failures:
        pytest.fail(f"seed {seed}: {len(failures)} of {count} files\n" + "\n".join(failures))
