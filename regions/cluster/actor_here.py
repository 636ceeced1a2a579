"""An actor in this process, for those who have no cluster to share one on. Knows nothing of Dask."""

import asyncio
from typing import Any, Protocol


class ActorCalls(Protocol):
    """What both kinds of actor can do."""

    async def call(self, method: str, *arguments: Any, within_s: float = ...) -> Any:
        """What the method returns or raises. Raises Unavailable if there is no answer in time."""
        ...


class ActorCluster(Protocol):
    """What has actors that several processes share, while it is open."""

    def actor(self, name: str, kind: type) -> ActorCalls: ...

    async def __aenter__(self) -> "asyncio.Task[None]": ...

    async def __aexit__(self, *error: object) -> None: ...


class ActorHere:
    """Answers at once. Belongs to one event loop."""

    def __init__(self, actor: object) -> None:
        self.object = actor

    async def call(self, method: str, *arguments: Any, within_s: float = 0.0) -> Any:
        return getattr(self.object, method)(*arguments)
