"""One lane in one process, assembled: its loops, what they may do, and what it says of itself."""

import asyncio
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial

from regions import daemon
from regions.clock import now_ms
from regions.cluster.actor_here import ActorCalls
from regions.errors import Unavailable
from regions.events import lanes
from regions.events.lanes import LaneTopic
from regions.events.messages import Event, is_again
from regions.events.set_aside import TEN_MINUTES, NotYet
from regions.events.topics import (
    FOLLOW_CHANGED,
    PHOTO_DELETED,
    PHOTO_READY,
    PHOTO_READY_AGAIN,
    RECORD_CHANGED,
    lane_group,
)
from regions.events.work import HandleEvent
from regions.region_client import RegionClient
from regions.topology import Region
from replication.allowance import Allowance
from replication.border import Border
from replication.budget import MOST_AT_ONCE, LaneReport, LaneSettings, partition_name, topic_of
from replication.handlers import LaneHandlers, LaneHome
from replication.lane_log import LaneLog
from replication.lane_member import LaneMember
from replication.lane_status import LaneWork
from replication.put_off import PutOff
from replication.records import RecordHandlers
from replication.transfer import Sender

DELETIONS, FOLLOWS, _RECORDS = 16, 2, 32
"""How many events of a topic a lane handles at once. Of photos, as many as its allowance says."""
_COUNT_EVERY_S, _RATE_OVER_S = 2.0, 10.0


class Lane:
    """To the region `destination`, within `allowance`, which `sender` asks before each piece."""

    def __init__(
        self,
        home: LaneHome,
        destination: Region,
        border: Border,
        sender: Sender,
        allowance: Allowance,
        client: RegionClient,
        threads: ThreadPoolExecutor,
    ) -> None:
        self.destination, self._group = destination.name, lane_group(destination.name)
        self._events, self._border = home.stores.events, border
        self._handlers = LaneHandlers(home, destination, border, sender, now_ms)
        self._records = RecordHandlers(home, destination.name, border, now_ms)
        self._allowance, self._client, self._threads = allowance, client, threads
        self._log = LaneLog(self._events, self._group, time.monotonic)
        self._backlog, self._counted_s = dict[str, int](), float("-inf")
        self._errors, self._put_off = 0, PutOff(now_ms)
        self._sent = deque([(time.monotonic(), 0)])

    def run(self, process_name: str, stop: threading.Event) -> None:
        """Until `stop` is set, or one of its loops has failed: then raises its error."""
        with closing(self._border):
            loops = lanes.loops(self._log, self._group, process_name, self._topics(), stop)
            daemon.run_together([*loops, partial(self._end_waiting, stop)], stop)

    def _topics(self) -> dict[str, LaneTopic]:
        copy = self._attempt(self._copy)
        copy_again = self._if_it_need_not_wait(copy)
        return {
            PHOTO_DELETED: LaneTopic(self._attempt(self._handlers.handle_deleted), DELETIONS),
            PHOTO_READY: LaneTopic(copy, MOST_AT_ONCE, copy_again),
            PHOTO_READY_AGAIN: LaneTopic(copy, MOST_AT_ONCE, copy_again),
            FOLLOW_CHANGED: LaneTopic(self._attempt(self._handlers.handle_followed), FOLLOWS),
            RECORD_CHANGED: LaneTopic(self._attempt(self._records.handle_changed), _RECORDS),
        }

    def member(self, name: str, actor: ActorCalls, settings: Callable[[], LaneSettings]) -> LaneMember:
        return LaneMember(name, actor, self._measure, self._log.generations, settings, self._allowance.allow)

    def work(self) -> LaneWork:
        unfinished, put_off = self._log.unfinished(), self._put_off.now()
        return LaneWork(
            under_way=unfinished.under_way,
            set_aside=unfinished.set_aside,
            deletions_aside=unfinished.deletions_aside,
            copying=self._allowance.copying_now,
            oldest_ms=unfinished.oldest_ms,
            oldest_aside_ms=unfinished.oldest_aside_ms,
            sent_bytes=self._allowance.sent_bytes,
            bytes_per_s=self._bytes_per_s(),
            errors=self._errors,
            silent_s=self._client.silent_s(self.destination),
            put_off=put_off.count,
            put_off_ms=put_off.since_ms,
            put_off_because=put_off.because,
        )

    async def _measure(self) -> LaneReport:
        """Raises Unavailable if the event log is away."""
        if time.monotonic() - self._counted_s >= _COUNT_EVERY_S:
            self._backlog = await asyncio.get_running_loop().run_in_executor(self._threads, self._count_backlog)
            self._counted_s = time.monotonic()
        held = self._log.generations()
        mine = {name: held[name] for name in self._backlog.keys() & held.keys()}
        return LaneReport(
            partitions=dict(Counter(map(topic_of, self._backlog))),
            generations=mine,
            backlog={name: self._backlog[name] for name in mine},
            under_way=self._log.unfinished().under_way,
            answered_s=self._client.answered_s(self.destination),
            refused=self._client.silent_s(self.destination) is not None,
        )

    def _count_backlog(self) -> dict[str, int]:
        return {
            partition_name(topic, partition): count
            for topic in LaneSettings().slots()
            for partition, count in self._events.lag(topic, self._group).items()
        }

    def _bytes_per_s(self) -> float:
        """Over the last seconds. Belongs to one thread."""
        now_s, sent = time.monotonic(), self._allowance.sent_bytes
        self._sent.append((now_s, sent))
        while len(self._sent) > 2 and now_s - self._sent[0][0] > _RATE_OVER_S:
            self._sent.popleft()
        first_s, first = self._sent[0]
        return (sent - first) / max(now_s - first_s, 1e-3)

    def _copy(self, event: Event) -> None:
        with self._allowance.copying(is_again(event)):
            self._handlers.handle_ready(event)

    def _attempt(self, handle: HandleEvent) -> HandleEvent:
        """Not while another process finds out whether the destination is back. Notes errors, and what is put off."""

        def attempt(event: Event) -> None:
            try:
                self._allowance.require_asking()
                handle(event)
            except Unavailable as error:
                self._put_off.note(event.event_id, error.detail)
                raise
            except NotYet:
                self._put_off.forget(event.event_id)
                raise
            except Exception:
                self._put_off.forget(event.event_id)
                self._errors += 1
                raise
            self._put_off.forget(event.event_id)

        return attempt

    def _if_it_need_not_wait(self, handle: HandleEvent) -> HandleEvent:
        """Of events that were set aside: behind them there may be deletions, which wait for no copy."""

        def attempt(event: Event) -> None:
            if not self._allowance.may_begin(is_again(event)):
                raise NotYet("the lane is paused, or fresh photos wait", TEN_MINUTES)
            handle(event)

        return attempt

    def _end_waiting(self, stop: threading.Event) -> None:
        stop.wait()
        self._allowance.close()
