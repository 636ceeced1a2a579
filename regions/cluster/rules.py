"""What every scheduler does for us, also one that an operator started: how it treats deaths, and how actors live on.

It is the one place that sees everything in order. So two processors that notice the death of an actor don't have to
agree on who makes the next.
"""

import asyncio
from contextlib import suppress
from time import monotonic, time
from typing import Any

from distributed import Scheduler
from distributed.diagnostics.plugin import SchedulerPlugin

from regions.cluster.workers import MEMORY, MOVE_ACTORS

TOPIC = "darkroom-workers"
"""Where the limits of the workers are announced when they are others."""
CALL_ACTOR = "darkroom_call_actor"
ACTOR_PREFIX = "darkroom-actor-"
WORKER_GONE_AFTER_S = 60.0
"""A worker from which the scheduler has heard nothing for so long is started again: its process or machine froze."""
_AGAIN_S = 0.1
# A worker has one thread. If the actor's worker is busy with a photo for longer than this, another may be free earlier.
_MOST_WAIT_S = 1.0
# Beside photos that hold Python's lock, an answer takes 0.02 s on the mean.
_ANSWERS_WITHIN_S = 3.0


class ClusterRules(SchedulerPlugin):  # type: ignore[misc]  # distributed has no types
    """Each death of a worker is reported to the caller, once; and an actor that was lost is made again elsewhere.

    No task queues at a worker that is busy: otherwise the death that one causes would be blamed on the other too.
    """

    name, idempotent = "darkroom", True

    async def start(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._checked_at_s = monotonic()
        self._gone: dict[str, asyncio.Future[None]] = {}
        """Of the workers that were called."""
        scheduler.allowed_failures = 0
        scheduler.WORKER_SATURATION = 1.0
        # It is not there if the operator has turned it off.
        if checks := scheduler.periodic_callbacks.get("worker-ttl"):
            scheduler.worker_ttl = WORKER_GONE_AFTER_S
            checks.stop()
            checks.callback_time = 1000 * WORKER_GONE_AFTER_S / 4
            checks.callback = self._end_silent_workers
            checks.start()
        scheduler.handlers |= {MOVE_ACTORS: self.move_actors, CALL_ACTOR: self.call_actor}

    def add_worker(self, scheduler: Scheduler, worker: str) -> None:
        scheduler.log_event(TOPIC, memories_mib(scheduler))

    def remove_worker(self, scheduler: Scheduler, worker: str, **about: Any) -> None:
        scheduler.log_event(TOPIC, memories_mib(scheduler))
        if gone := self._gone.pop(worker, None):
            gone.set_result(None)

    def transition(self, key: Any, start: str, finish: str, **about: Any) -> None:
        """An actor's task is `erred` when its worker has died, before or after it was made."""
        if not str(key).startswith(ACTOR_PREFIX):
            return
        loop = asyncio.get_running_loop()
        if finish == "erred":
            loop.call_later(_AGAIN_S, self._make_again, key)
        elif finish == "processing":
            busy = self._scheduler.tasks[key].processing_on
            loop.call_later(_MOST_WAIT_S, self._try_elsewhere, key, busy.address)

    async def call_actor(self, key: str, call: dict[str, Any]) -> Any:
        """None if it is away. The scheduler alone knows where it is, and hears at once when that worker is gone: Dask
        would go on trying to connect to it for 30 s. One whose worker has frozen is made again elsewhere.
        """
        task = self._scheduler.tasks.get(key)
        if task is None or not task.who_has:
            return None
        address = next(iter(task.who_has)).address
        gone = self._gone.setdefault(address, asyncio.get_running_loop().create_future())
        answer = asyncio.ensure_future(self._scheduler.proxy(msg=call, worker=address))
        await asyncio.wait([answer, gone], timeout=_ANSWERS_WITHIN_S, return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            answer.cancel()
            if not gone.done():
                self.move_actors(address)
            return None
        with suppress(OSError):
            return answer.result()

    async def _end_silent_workers(self) -> None:
        """Not if this check itself comes late: this process may have been frozen, and workers have been heard since."""
        before_s, self._checked_at_s = self._checked_at_s, monotonic()
        if self._checked_at_s - before_s < WORKER_GONE_AFTER_S / 2:
            await self._scheduler.check_worker_ttl()

    def move_actors(self, worker: str) -> None:
        """Gives up the actors of a worker that is about to retire; they are made again on others."""
        state = self._scheduler.workers.get(worker)
        for task in list(state.actors) if state else ():
            self._avoid(task, worker)
            self._transition(task.key, "erred" if task.state == "memory" else "released")
            state.actors.discard(task)

    def _make_again(self, key: str) -> None:
        task = self._scheduler.tasks.get(key)
        if task is not None and task.state == "erred":
            self._transition(key, "waiting")

    def _try_elsewhere(self, key: str, worker: str) -> None:
        task = self._scheduler.tasks.get(key)
        if task is None or task.state != "processing" or task.processing_on.address != worker:
            return
        self._avoid(task, worker)
        self._transition(key, "released")

    def _avoid(self, task: Any, worker: str) -> None:
        """Any worker but this one; this one if there is no other."""
        task.worker_restrictions = set(self._scheduler.workers) - {worker}
        task.loose_restrictions = True

    def _transition(self, key: str, finish: str) -> None:
        self._scheduler.transitions({key: finish}, f"darkroom-actor-{time()}")
        if finish != "erred":
            # A worker has been chosen, or there was none. Dask gives a new worker no task that is for others, gone ones
            # too, however loosely.
            self._scheduler.tasks[key].worker_restrictions = None


def memories_mib(dask_scheduler: Scheduler) -> list[float]:
    """The limit of each worker; 0 for one that does not announce it, which gets no large tasks."""
    return [worker.resources.get(MEMORY, 0.0) for worker in dask_scheduler.workers.values()]
