"""A process of a region at work, on a thread of the test's own process."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from regions.config import Config

Main = Callable[[Config, str, str, threading.Event], None]


@contextmanager
def at_work(main: Main, config: Config, region: str) -> Iterator[None]:
    """Until the block is left; fails if the process has not ended within a minute then."""
    stop = threading.Event()
    thread = threading.Thread(target=main, args=(config, region, "test", stop))
    thread.start()
    yield
    stop.set()
    thread.join(60)
    assert not thread.is_alive()
