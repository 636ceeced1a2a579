"""Requests at a steady rate, whatever becomes of them.

A program of its own, so that it slows no measurement: `python -m tests.builders.floods URL RATE`. Its first line of
input are the paths, as JSON, asked for in turn. It goes on until its input ends, and then prints how many requests got
which status, and how long the slowest took.
"""

import asyncio
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle
from random import randrange
from urllib.parse import urlsplit

from regions import ids

_TIMEOUT_S = 30


@dataclass
class Flood:
    """`statuses` counts the answers, once the flood is over; "none" is a request without one."""

    statuses: Counter = field(default_factory=Counter)
    slowest_s: float = 0.0


@contextmanager
def flooding(url: str, rate: int, paths: Sequence[str]) -> Iterator[Flood]:
    """`rate` requests a second until the block ends."""
    command = [sys.executable, "-m", "tests.builders.floods", url, str(rate)]
    flood = Flood()
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdin.write(json.dumps(paths).encode() + b"\n")
        process.stdin.flush()
        try:
            yield flood
        finally:
            output, _ = process.communicate(timeout=2 * _TIMEOUT_S)
            counted = json.loads(output)
            flood.statuses.update(counted["statuses"])
            flood.slowest_s = counted["slowest_s"]


def unknown_image(region_number: int) -> str:
    """The path of an image of that region that nobody has."""
    number = ids.compose(ids.Snowflake(int(time.time() * 1000), region_number, randrange(1 << 10), randrange(1 << 6)))
    return f"/p/{ids.to_public(ids.PHOTO, number)}/320.jpg"


async def _ask(flood: Flood, host: str, port: int, path: str) -> None:
    began_s, status, writer = time.monotonic(), "none", None
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            reader, writer = await asyncio.open_connection(host, port)
            writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            line = await reader.readline()
            status = line.split()[1].decode() if line else "none"
    except (OSError, TimeoutError):
        """Counted as none."""
    finally:
        if writer is not None:
            writer.close()
        flood.statuses[status] += 1
        flood.slowest_s = max(flood.slowest_s, time.monotonic() - began_s)


async def _main(url: str, rate: int) -> None:
    flood, address, paths = Flood(), urlsplit(url), cycle(json.loads(sys.stdin.readline()))
    ended = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
    asked = set()
    next_s = time.monotonic()
    while not ended.done():
        asked.add(asyncio.create_task(_ask(flood, address.hostname, address.port, next(paths))))
        next_s += 1 / rate
        await asyncio.sleep(next_s - time.monotonic())
    await asyncio.gather(*asked)
    sys.stdout.write(json.dumps({"statuses": flood.statuses, "slowest_s": flood.slowest_s}))


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], int(sys.argv[2])))
