"""Objects that all processes of a cluster share: Dask's actors, each in one of its workers, kept alive by `rules`.

An actor has a name, which is also its key at the scheduler. Dask makes a key once, also for many clients, so processors
that start at the same moment get the same actor: 8 clients raced for one, and again after each kill -9 of its worker,
and had one object after 0.4 s. The new one is made on another worker **without what the old one knew**: so an actor
says what it lacks, and its callers bring it.

A call goes from a process to the scheduler, to the worker, and back. Over TLS, on 2 cores with all processes: 350
calls/s one after the other, 450 from 32 tasks; 57 and 220 while the workers' threads hold Python's lock. So calls may
grow with seconds, processes and changes, not with photos: what many photos need is asked in one call, or kept where it
is needed. The actors of a worker share one thread, beside that of its tasks.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from distributed import Client, Future, get_worker
from distributed.client import ClosedClientError
from distributed.protocol import to_serialize
from distributed.utils import sync

from regions.cluster.rules import ACTOR_PREFIX, CALL_ACTOR
from regions.cluster.workers import LOST
from regions.errors import Unavailable

WITHIN_S = 5.0
_AGAIN_S = 0.05
_FIRST = 100
"""The priority of making an actor: above all photos."""
# A worker that has not got the actor does not know the key; while the actor is being made, it is None there.
_AWAY = (*LOST, ClosedClientError, KeyError, AttributeError)


class SharedActor:
    """Belongs to the event loop of its cluster. `DaskCluster.actor` makes it."""

    def __init__(self, name: str, kind: type, client: Callable[[], Client | None]) -> None:
        self._key, self._kind, self._client = ACTOR_PREFIX + name, kind, client
        self._future: Future | None = None

    async def call(self, method: str, *arguments: Any, within_s: float = WITHIN_S) -> Any:
        """What the method returns or raises. Raises Unavailable if there is no answer in time.

        Waits for an actor that is being made again. The method may run twice, the second time in a new actor.
        """
        try:
            async with asyncio.timeout(within_s):
                while (response := await self._try(method, arguments)) is None:
                    await asyncio.sleep(_AGAIN_S)
        except TimeoutError as error:
            self._drop_if_failed()
            raise Unavailable(f"{self._key} does not answer") from error
        return _result(response)

    def _drop_if_failed(self) -> None:
        """So that the next call makes it. `rules` do so within a call, but not if the scheduler could not read what
        to make, as may be during an update. Not at each try of a call: the scheduler logs an error for each.
        """
        if self._future is not None and self._future.status == "error":
            # As long as there is a future of a key, Dask gives that one again.
            self._future.release()
            self._future = None

    async def _try(self, method: str, arguments: tuple[Any, ...]) -> dict[str, Any] | None:
        """None if the actor is away."""
        client = self._client()
        if client is None:
            return None
        try:
            await self._require(client)
            call = _call(self._key, method, arguments)
            response: dict[str, Any] | None = await getattr(client.scheduler, CALL_ACTOR)(key=self._key, call=call)
            return response
        except _AWAY:
            return None

    async def _require(self, client: Client) -> None:
        """While anybody has a future of its key, the scheduler keeps the actor."""
        if self._future is None or self._future.client is not client or self._future.status in ("cancelled", "lost"):
            self._future = client.submit(self._kind, key=self._key, actor=True, priority=_FIRST)
        if self._future.status == "pending":
            await self._future.exception()


def call_from_worker(name: str, method: str, *arguments: Any, within_s: float = WITHIN_S) -> Any:
    """The same from a task, in its worker's process, straight to the actor's worker. Does not wait for a new actor."""
    worker = get_worker()
    call = _call(ACTOR_PREFIX + name, method, arguments)
    try:
        response = sync(worker.loop, _call_directly, worker, call, callback_timeout=within_s)
    except (*_AWAY, TimeoutError) as error:
        raise Unavailable(f"{name} is away: {error!r}") from error
    return _result(response)


async def _call_directly(worker: Any, call: dict[str, Any]) -> dict[str, Any]:
    addresses = (await worker.scheduler.who_has(keys=[call["actor"]]))[call["actor"]]
    if not addresses:
        raise OSError("there is none")
    response: dict[str, Any] = await worker.rpc(addresses[0]).actor_execute(
        **{name: value for name, value in call.items() if name != "op"}
    )
    return response


def _call(key: str, method: str, arguments: tuple[Any, ...]) -> dict[str, Any]:
    """As workers understand it."""
    return {"op": "actor_execute", "actor": key, "function": method, "args": list(map(to_serialize, arguments))}


def _result(response: dict[str, Any]) -> Any:
    if response["status"] != "OK":
        raise response["exception"]
    return response["result"]
