"""Work in the background of a test: on threads of its own process, or in processes that it kills."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import psutil
import pytest

from regions.config import Config

Main = Callable[[Config, str, str, threading.Event], None]


@contextmanager
def at_work(main: Main, config: Config, region: str) -> Iterator[None]:
    """Runs a region's process on a thread until the block ends; fails if it then takes more than a minute to end."""
    stop = threading.Event()
    thread = threading.Thread(target=main, args=(config, region, "test", stop))
    thread.start()
    yield
    stop.set()
    thread.join(60)
    assert not thread.is_alive()


@pytest.fixture
def in_background() -> Iterator[Callable[[Callable[[], Any]], Future[Any]]]:
    """Runs something on a thread: `in_background(work)` gives its future."""
    with ThreadPoolExecutor(2) as threads:
        yield threads.submit


def has_ended(process: psutil.Process) -> bool:
    """Also if its parent has not read its exit code yet."""
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
