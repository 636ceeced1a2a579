"""How the known-bad list gets to the workers: by its version in each job, and once through an actor.

A list of 100,000 hashes has 3.3 MB, and ten thousand jobs a second can't carry it. So the processor publishes it to the
actor when it changes, and a worker fetches a version that it lacks, once. The actor is asked by processes and changes,
never by photos: while it is away, workers judge on by the lists that they have. A photo is never judged by another
version than its job names: without that, it waits.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable

from processing.moderation import EMPTY, KnownBad
from regions.cluster.actors import SharedActor, call_from_worker
from regions.errors import Unavailable

log = logging.getLogger(__name__)

_CHECK_EVERY_S = 1.0
_KEPT_BY_ACTOR, _KEPT_BY_WORKER = 4, 2


def actor_name(region: str) -> str:
    return f"hash-list-{region}"


class _Newest:
    """The last few lists, by version."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lists: OrderedDict[str, KnownBad] = OrderedDict()

    def get(self, version: str) -> KnownBad | None:
        return self._lists.get(version)

    def put(self, known_bad: KnownBad) -> None:
        self._lists[known_bad.version] = known_bad
        self._lists.move_to_end(known_bad.version)
        while len(self._lists) > self._most:
            self._lists.popitem(last=False)

    def keep(self, version: str) -> bool:
        """Makes it the newest; False if it is not there."""
        if version in self._lists:
            self._lists.move_to_end(version)
        return version in self._lists


class HashList(_Newest):
    """The actor: the lists that the region's processors use now. They may differ for a moment."""

    def __init__(self) -> None:
        super().__init__(_KEPT_BY_ACTOR)


class Publisher:
    """A processor's side. All of it runs on one event loop."""

    def __init__(self, actor: SharedActor) -> None:
        self._actor = actor
        self._published = EMPTY
        self._publishing = asyncio.Lock()

    async def publish(self, known_bad: KnownBad) -> None:
        """Returns when workers can fetch the list. Raises Unavailable."""
        if known_bad.version in (EMPTY.version, self._published.version):
            return
        async with self._publishing:
            # One of many photos that came at the same time has published it by now.
            if known_bad.version != self._published.version:
                await self._actor.call("put", known_bad)
                self._published = known_bad

    async def run_forever(self) -> None:
        """An actor that was made again has no list until somebody looks."""
        while True:
            await asyncio.sleep(_CHECK_EVERY_S)
            try:
                await self.run_once()
            except Unavailable as error:
                log.warning("the known-bad list can't be published", extra={"error": error.detail})

    async def run_once(self) -> None:
        """Raises Unavailable."""
        known_bad = self._published
        if known_bad is not EMPTY and not await self._actor.call("keep", known_bad.version):
            await self._actor.call("put", known_bad)


class WorkerLists:
    """A worker's side: it fetches what it lacks. One task at a time uses it."""

    def __init__(self, fetch: Callable[[str, str], KnownBad | None]) -> None:
        self._fetch = fetch
        self._kept: dict[str, _Newest] = {}

    def get(self, region: str, version: str) -> KnownBad:
        """Raises Unavailable if nobody has this version now."""
        if version == EMPTY.version:
            return EMPTY
        kept = self._kept.setdefault(region, _Newest(_KEPT_BY_WORKER))
        if not kept.keep(version):
            fetched = self._fetch(region, version)
            if fetched is None:
                raise Unavailable("the known-bad list of this photo's job is on its way")
            kept.put(fetched)
        found = kept.get(version)
        assert found is not None
        return found


def fetch_from_actor(region: str, version: str) -> KnownBad | None:
    """In a worker, during a task. Raises Unavailable."""
    found: KnownBad | None = call_from_worker(actor_name(region), "get", version)
    return found
