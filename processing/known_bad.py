"""How the known-bad list gets to the workers: by its version in each job, and once through an actor.

Ten thousand jobs a second can't carry a list of hundreds of kilobytes. So the processor reads the setting once a
second, publishes it to the actor when it has changed, and names its version in a job when the turn of that has come; a
worker fetches a version that it lacks, once. The actor is asked by processes and changes, never by photos: while it is
away, workers go on with the lists that they have. A photo is never moderated by another version than its job names:
without that, it waits.
"""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Executor

from processing.moderation import EMPTY, KnownBad, KnownBadError, parse
from regions.cluster.actors import SharedActor, call_from_worker
from regions.errors import Unavailable
from regions.last_known import LastKnown
from regions.stores.settings import KNOWN_BAD, Setting

log = logging.getLogger(__name__)

_CHECK_EVERY_S = 1.0
_KEPT_BY_ACTOR, _KEPT_BY_WORKER = 4, 2


def actor_name(region: str) -> str:
    return f"hash-list-{region}"


class HashList:
    """The last few lists, by version. The actor is one: processors may use different lists for a moment."""

    def __init__(self, most: int = _KEPT_BY_ACTOR) -> None:
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


class Publisher:
    """A processor's side, on its event loop. `read` gives the setting; it blocks, so it is called on `threads`."""

    def __init__(
        self,
        actor: SharedActor,
        read: Callable[[str], Setting | None],
        threads: Executor,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._actor, self._threads, self._clock_s = actor, threads, clock_s
        self._last_known = LastKnown(read)
        self._published, self._read_at_s = EMPTY, float("-inf")
        self._updating: asyncio.Task[None] | None = None

    async def version(self) -> str:
        """Of the list that the setting had a second ago or later; workers can fetch it.

        Raises Unavailable if the list can't be read or parsed, or if it is new and the actor is away: then photos wait.
        While the settings are away, it is the list that was read last.
        """
        if self._clock_s() - self._read_at_s >= _CHECK_EVERY_S:
            # Once for all photos that wait: a region has thousands a second, and the list may be half a megabyte.
            if self._updating is None:
                self._updating = asyncio.create_task(self._update())
            await asyncio.shield(self._updating)
        return self._published.version

    async def run_forever(self) -> None:
        """An actor that was made again has no list until somebody asks."""
        while True:
            await asyncio.sleep(_CHECK_EVERY_S)
            try:
                await self.run_once()
            except Unavailable as error:
                log.warning("the known-bad list can't be published", extra={"error": error.detail})

    async def run_once(self) -> None:
        """Raises Unavailable."""
        known_bad = self._published
        if known_bad.version != EMPTY.version and not await self._actor.call("keep", known_bad.version):
            await self._actor.call("put", known_bad)

    async def _update(self) -> None:
        try:
            known_bad = await asyncio.get_running_loop().run_in_executor(self._threads, self._read)
            if known_bad.version not in (EMPTY.version, self._published.version):
                await self._actor.call("put", known_bad)
            # Not when the reading began: while the settings hang, each photo would wait for them.
            self._published, self._read_at_s = known_bad, self._clock_s()
        finally:
            self._updating = None

    def _read(self) -> KnownBad:
        setting = self._last_known.get(KNOWN_BAD)
        try:
            return parse(setting.value if setting else "")
        except KnownBadError as error:
            log.error("photos wait for a readable known-bad list", extra={"error": str(error)})
            raise Unavailable(f"photos wait for a readable known-bad list: {error}") from error


class WorkerLists:
    """A worker's side: it fetches what it lacks. One task at a time uses it."""

    def __init__(self, fetch: Callable[[str, str], KnownBad | None]) -> None:
        self._fetch = fetch
        self._kept: dict[str, HashList] = {}

    def get(self, region: str, version: str | None) -> KnownBad:
        """Raises Unavailable if nobody has this version now, or if the job names none."""
        if version == EMPTY.version:
            return EMPTY
        if version is None:
            raise Unavailable("this photo's job names no known-bad list")
        kept = self._kept.setdefault(region, HashList(_KEPT_BY_WORKER))
        found = kept.get(version) or self._fetch(region, version)
        if found is None:
            raise Unavailable("the known-bad list of this photo's job is on its way")
        kept.put(found)
        return found


def fetch_from_actor(region: str, version: str) -> KnownBad | None:
    """In a worker, during a task. Raises Unavailable."""
    found: KnownBad | None = call_from_worker(actor_name(region), "get", version)
    return found
