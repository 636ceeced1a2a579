"""An actor in this process instead of a worker: what Dask does between, `tests/unit/regions/test_actors.py` shows."""

import asyncio
from typing import Any

from regions.cluster.actor_here import ActorHere


class CountedActor(ActorHere):
    """Calls are counted by name."""

    def __init__(self, actor: object) -> None:
        super().__init__(actor)
        self.calls = list[str]()

    async def call(self, method: str, *arguments: Any, within_s: float = 0.0) -> Any:
        self.calls.append(method)
        await asyncio.sleep(0)
        return await super().call(method, *arguments)
