"""An actor in this process instead of a worker: what Dask does between, `tests/unit/regions/test_actors.py` shows."""

import asyncio
from typing import Any


class LocalActor:
    """Calls are counted by name."""

    def __init__(self, actor: object) -> None:
        self.object, self.calls = actor, list[str]()

    async def call(self, method: str, *arguments: Any) -> Any:
        self.calls.append(method)
        await asyncio.sleep(0)
        return getattr(self.object, method)(*arguments)
