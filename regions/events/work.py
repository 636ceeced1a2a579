"""Handles events, on a pool of threads or on an event loop: carries out what `handling` decides."""

import asyncio
import logging
import random
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Protocol

from regions.clock import now_ms
from regions.errors import Unavailable
from regions.events.handling import GiveUp, Handle, Instruction, Instructions, Pause, PublishFailure, instructions
from regions.events.messages import Event, Unreadable, dead_letter
from regions.events.set_aside import NotYet
from regions.retry import backoff_s
from regions.stores.events import Events

log = logging.getLogger(__name__)

HandleEvent = Callable[[Event], None]
GiveUpEvent = Callable[[Event, Exception], None]
TakeLastStep = Callable[[Event | Unreadable, Instruction], None]
"""Carries out GiveUp and PublishFailure."""
PauseS = Callable[[int], float]


def jittered_s(attempt: int) -> float:
    return backoff_s(attempt, random.random)


class EventWork(Protocol):
    """What a subscription does with events. Several subscriptions may share one."""

    def start(self, event: Event | Unreadable) -> Future[None]:
        """Returns at once. The future ends when the event is handled, or published elsewhere with its error.

        It fails or is cancelled only if the process is stopping: then the event must be delivered again.
        """
        ...

    def stop(self) -> None:
        """Ends the pauses between attempts: events that wait in one fail. Idempotent."""
        ...

    def close(self) -> None:
        """Returns when nothing runs any more. Idempotent."""
        ...


class LastSteps:
    """The end of an event that could not be handled: `give_up` hears of it, then the dead letters have it.

    `group` stands in the dead letters. `give_up` is called again if publishing has to be repeated by another process.
    """

    def __init__(self, events: Events, group: str, give_up: GiveUpEvent | None) -> None:
        self._events, self._group, self._give_up = events, group, give_up

    def take(self, event: Event | Unreadable, step: Instruction) -> None:
        match step, event:
            case GiveUp(error), Event() if self._give_up is not None:
                self._give_up(event, error)
            case PublishFailure(error=text), _:
                self._events.publish([dead_letter(event, self._group, text, now_ms())])


class ThreadedWork:
    """Work for handlers that block: `handle` runs on at most `concurrency` threads at once.

    `pause_s` gives the pause after an attempt by its number, from 1.
    """

    def __init__(
        self,
        handle: HandleEvent,
        last_step: TakeLastStep,
        concurrency: int,
        pause_s: PauseS = jittered_s,
    ) -> None:
        self._handle, self._last_step, self._pause_s = handle, last_step, pause_s
        self._threads = ThreadPoolExecutor(concurrency, thread_name_prefix="events")
        self._stop = threading.Event()

    def start(self, event: Event | Unreadable) -> Future[None]:
        return self._threads.submit(self._work, event)

    def stop(self) -> None:
        self._stop.set()

    def close(self) -> None:
        self._threads.shutdown(wait=True)

    def _work(self, event: Event | Unreadable) -> None:
        steps, outcome = instructions(event), None
        while (step := _next(steps, outcome)) is not None:
            if isinstance(step, Pause):
                outcome = None
                if self._stop.wait(self._pause_s(step.attempt)):
                    raise step.error
            else:
                outcome = self._take(event, step)

    def _take(self, event: Event | Unreadable, step: Instruction) -> Exception | None:
        try:
            if isinstance(step, Handle) and isinstance(event, Event):
                self._handle(event)
            else:
                self._last_step(event, step)
        except (Unavailable, NotYet) as error:
            log.warning("will be retried", extra=_fields(event, step) | {"error": str(error)})
            return error
        except Exception as error:  # a poisoned event may raise anything in its handler
            log.exception("attempt failed", extra=_fields(event, step))
            return error
        return None


class AsyncWork:
    """Work for a handler that is a coroutine. Each event is one task of `loop`, which runs on another thread.

    What blocks at the end of an event that could not be handled runs on `threads`.
    """

    def __init__(
        self,
        handle: Callable[[Event], Awaitable[None]],
        last_step: TakeLastStep,
        loop: asyncio.AbstractEventLoop,
        threads: ThreadPoolExecutor,
        pause_s: PauseS = jittered_s,
    ) -> None:
        self._handle, self._last_step, self._pause_s = handle, last_step, pause_s
        self._loop, self._threads = loop, threads
        self._stop = asyncio.Event()

    def start(self, event: Event | Unreadable) -> Future[None]:
        return asyncio.run_coroutine_threadsafe(self._work(event), self._loop)

    def stop(self) -> None:
        # A loop that is closed has cancelled what waited on it.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._stop.set)

    def close(self) -> None:
        """Nothing to wait for: a subscription has waited for its futures, and a closed loop has cancelled them."""

    async def _work(self, event: Event | Unreadable) -> None:
        steps, outcome = instructions(event), None
        while (step := _next(steps, outcome)) is not None:
            if isinstance(step, Pause):
                outcome = None
                if await self._stopped_within(self._pause_s(step.attempt)):
                    raise step.error
            else:
                outcome = await self._take(event, step)

    async def _take(self, event: Event | Unreadable, step: Instruction) -> Exception | None:
        try:
            if isinstance(step, Handle) and isinstance(event, Event):
                await self._handle(event)
            else:
                await self._loop.run_in_executor(self._threads, self._last_step, event, step)
        except (Unavailable, NotYet) as error:
            log.warning("will be retried", extra=_fields(event, step) | {"error": str(error)})
            return error
        except Exception as error:  # a poisoned event may raise anything in its handler
            log.exception("attempt failed", extra=_fields(event, step))
            return error
        return None

    async def _stopped_within(self, pause_s: float) -> bool:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stop.wait(), pause_s)
        return self._stop.is_set()


def _next(steps: Instructions, outcome: Exception | None) -> Instruction | None:
    """The next instruction; None when the event is done."""
    try:
        return steps.send(outcome)
    except StopIteration:
        return None


def _fields(event: Event | Unreadable, step: Instruction) -> dict[str, str]:
    return {"event_id": event.event_id, "step": type(step).__name__}
