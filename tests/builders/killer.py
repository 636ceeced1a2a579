"""Ends the processes of an operator's Dask with kill -9, and starts them again as a supervisor would."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from subprocess import Popen
from typing import Any

import psutil
from distributed.core import ConnectionPool
from distributed.protocol import to_serialize
from distributed.security import Security

from processing import crew_member, near_duplicates
from processing.known_bad import actor_name
from regions.cluster.rules import ACTOR_PREFIX, CALL_ACTOR
from tests.builders.clusters import OperatorsDask
from tests.builders.rooms import REGION

KINDS = ("worker", "nanny", "scheduler", "processor", "actor")
_FINGERPRINTS = ACTOR_PREFIX + near_duplicates.actor_name(REGION)
CREW = ACTOR_PREFIX + crew_member.actor_name(REGION)
"""The only actor that is there before the first photo."""
_ACTORS = (_FINGERPRINTS, ACTOR_PREFIX + actor_name(REGION), CREW)
_TRIES = 20
_ASK_S = 2.0
_PROBE_S = 0.1
_CALL = {"op": "actor_execute", "actor": _FINGERPRINTS, "function": "find", "args": [to_serialize([])]}


@dataclass(frozen=True, slots=True)
class Kill:
    """`photo_ids` are those whose job the worker had, by what the scheduler knew while the worker stood still.

    `may_meet_another`: it was given one after that, in the milliseconds that it still had.
    """

    kind: str
    at_s: float
    photo_ids: tuple[str, ...] = ()
    may_meet_another: bool = False

    @property
    def ends_actors(self) -> bool:
        """Those of which a living processor has answers."""
        return self.kind != "processor"


class SchedulerProbe:
    """Asks a scheduler that may be away what it knows, and changes nothing. Any thread may use it."""

    def __init__(self, address: str, security: Security) -> None:
        self._address, self._security = address, security
        self._loop = asyncio.new_event_loop()

    @contextmanager
    def opened(self) -> Iterator["SchedulerProbe"]:
        thread = threading.Thread(target=self._loop.run_forever)
        thread.start()
        self._pool = self._run(self._open())
        try:
            yield self
        finally:
            self._run(self._pool.close())
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join()
            self._loop.close()

    def jobs(self) -> dict[str, list[str]]:
        """The ids of the photos that each worker has, by its address; empty if the scheduler does not answer."""
        keys = self._ask("processing") or {}
        return {address: [_photo_id(key) for key in each if key.startswith("photo-")] for address, each in keys.items()}

    def actors_worker(self, key: str) -> str | None:
        """The address of the worker that has this actor."""
        addresses = (self._ask("who_has", keys=[key]) or {}).get(key)
        return addresses[0] if addresses else None

    def actor_answers(self) -> bool:
        """The one that knows what photos look like."""
        answer = self._ask(CALL_ACTOR, key=_FINGERPRINTS, call=_CALL)
        return answer is not None and answer["status"] == "OK"

    def _ask(self, operation: str, **arguments: Any) -> Any:
        # A scheduler that has no processor yet knows neither rules nor actors.
        with suppress(OSError, TimeoutError, AttributeError, KeyError, ValueError):
            return self._run(self._call(operation, arguments))

    async def _call(self, operation: str, arguments: dict[str, Any]) -> Any:
        async with asyncio.timeout(_ASK_S):
            return await getattr(self._pool(self._address), operation)(**arguments)

    async def _open(self) -> ConnectionPool:
        pool = ConnectionPool(connection_args=self._security.get_connection_args("client"))
        await pool.start()
        return pool

    def _run(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(60)


class Killer:
    """Which worker, and how its nanny ends, is up to `dice`. Remembers what it did."""

    def __init__(
        self, dask: OperatorsDask, port: int, topology: Path, probe: SchedulerProbe, dice: Random, eventually: Any
    ) -> None:
        self._dask, self._port, self._topology = dask, port, topology
        self._probe, self._dice, self._eventually = probe, dice, eventually
        self.kills: list[Kill] = []

    def kill(self, kind: str) -> None:
        """Returns when the process has ended and the next one is starting. Fails if one has ended by itself."""
        self._dask.assert_running()
        {
            "scheduler": self._kill_scheduler,
            "processor": self._kill_processor,
            "worker": lambda: self._kill_worker("worker", self._any_worker),
            "nanny": lambda: self._kill_worker("nanny", self._any_worker),
            "actor": lambda: self._kill_worker("actor", self._worker_of_an_actor),
        }[kind]()

    def _kill_scheduler(self) -> None:
        self.kills.append(Kill("scheduler", time.time()))
        self._dask.kill_scheduler()
        self._dask.begin_scheduler(self._port)

    def _kill_processor(self) -> None:
        self.kills.append(Kill("processor", time.time()))
        self._dask.kill_processor()
        self._dask.start_processor(self._topology)

    def _kill_worker(self, kind: str, choose: Callable[[], str | None]) -> None:
        process, nanny, photo_ids = self._eventually(lambda: self._stopped(choose()))
        # Without its nanny it ends by itself, if it is not killed too.
        ends_alone = kind == "nanny" and self._dice.random() < 0.5
        self.kills.append(Kill(kind, time.time(), tuple(photo_ids), ends_alone or not photo_ids))
        if not ends_alone:
            process.kill()
        if kind == "nanny":
            self._dask.kill_nanny(nanny)
            self._dask.start_darkroom_worker(self._topology)
        if ends_alone:
            process.resume()

    def _any_worker(self) -> str | None:
        """If there is one with a photo, that."""
        for _ in range(_TRIES):
            jobs = self._probe.jobs()
            if busy := sorted(address for address, photo_ids in jobs.items() if photo_ids):
                return self._dice.choice(busy)
        return self._dice.choice(sorted(jobs)) if jobs else None

    def _worker_of_an_actor(self) -> str | None:
        return self._probe.actors_worker(self._dice.choice(_ACTORS))

    def _stopped(self, address: str | None) -> tuple[psutil.Process, Popen[bytes], list[str]] | None:
        """The worker, which stands still; its nanny; and its photos. None if it has ended meanwhile."""
        if address is None:
            return None
        port = int(address.rpartition(":")[2])
        for process, nanny in self._dask.workers().items():
            with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                if any(connection.laddr.port == port for connection in process.net_connections("tcp")
                       if connection.status == psutil.CONN_LISTEN):  # fmt: skip
                    process.suspend()
                    return process, nanny, self._settled_jobs(address)
        return None

    def _settled_jobs(self, address: str) -> list[str]:
        """What the worker reported before it stood still may be on its way to the scheduler."""
        before, now = None, self._probe.jobs().get(address, [])
        while before != now:
            before, now = now, self._probe.jobs().get(address, [])
        return now


class Absences:
    """When the actor did not answer: from the last answer to the next one."""

    def __init__(self, probe: SchedulerProbe) -> None:
        self._probe, self._stop = probe, threading.Event()
        self.from_to_s: list[tuple[float, float]] = []

    @contextmanager
    def watched(self) -> Iterator["Absences"]:
        thread = threading.Thread(target=self._watch)
        thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            thread.join()

    def _watch(self) -> None:
        answered_s, was_away = time.time(), False
        while not self._stop.wait(_PROBE_S):
            answers, now_s = self._probe.actor_answers(), time.time()
            if answers:
                if was_away:
                    self.from_to_s.append((answered_s, now_s))
                answered_s = now_s
            was_away = not answers


def _photo_id(key: str) -> str:
    return key.removeprefix("photo-").rpartition("-")[0]
