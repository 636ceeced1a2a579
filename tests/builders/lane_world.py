"""The two ends of a lane in memory, and processes between whose steps anything may happen.

The code is the real one, of both ends: `LaneHandlers` and `Receiver`. Each call of a store, and each request between
the regions, is one step of the process that makes it. A process runs on a greenlet of its own, so that a test can let
another one go on in between, kill it, or let time pass.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import astuple, dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import greenlet

from origin.border.receiving import PUT_LASTS_MS, Receiver
from regions import ids
from regions.border.offers import Offer, OfferAnswer, answer_document, offer_document, parse_answer, parse_offer
from regions.errors import Problem, Unavailable
from regions.events.messages import Event, photo_deleted, photo_ready
from regions.events.set_aside import NotYet
from regions.records import AuditEntry, Location, Photo, Replica, Status, Tombstone, Variant
from regions.residency.audit import AuditTrail
from regions.residency.decide import Decision, Subject
from regions.residency.policy import Action
from regions.stores.objects import VARIANTS, ObjectInfo, SignedPut
from replication.handlers import LaneHandlers, LaneHome

HOME, DESTINATION = "eu-west", "eu-central"
PHOTO_ID, OWNER_ID = ids.to_public(ids.PHOTO, 7 << 22), ids.to_public(ids.USER, 5 << 22)
PHOTO = Photo(
    PHOTO_ID, OWNER_ID, "eu", HOME, Status.READY, "", 9, "ab" * 32, 7,
    variants=tuple(Variant(size, size, size, size, f"{size:064x}") for size in (150, 320)),
    location=Location(38.72, -9.13), near_duplicate_of=PHOTO_ID,
)  # fmt: skip
COPY = replace(PHOTO, location=None, near_duplicate_of=None)
"""What another region may know of it."""
DELETED_AT_MS = 8

Decisions = Mapping[Action, bool]


def step() -> None:
    """Before each thing that a process does: here it may be interrupted for a while, or killed."""
    running = greenlet.getcurrent()
    if getattr(running, "is_killed", False):
        # kill -9 runs nothing, not even what a handler does in `finally`.
        raise greenlet.GreenletExit
    if running.parent is not None:
        running.parent.switch()


class Stepped:
    """Each call of a method is one step."""

    def __init__(self, table: Any) -> None:
        self._table = table

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            step()
            return getattr(self._table, name)(*arguments)

        return call


@dataclass
class Catalog:
    """One end's tables, as far as lanes use them."""

    stored: dict[str, Photo] = field(default_factory=dict)
    tombstoned: dict[str, Tombstone] = field(default_factory=dict)
    expected_ms: dict[str, int] = field(default_factory=dict)
    recorded: dict[str, Replica] = field(default_factory=dict)
    entries: list[AuditEntry] = field(default_factory=list)
    follower_regions: set[str] = field(default_factory=set)
    followers: list[str] = field(default_factory=list)

    def ports(self) -> Any:
        tables = {
            "photos": SimpleNamespace(get=self.stored.get, put_replica_metadata=self._put, delete=self._delete),
            "tombstones": SimpleNamespace(get=self.tombstoned.get),
            "arrivals": SimpleNamespace(expect=self._expect, until=self.expected_ms.get),
            "replicas": SimpleNamespace(put=self._record, remove=lambda photo_id, region: self.recorded.pop(region, 0)),
            "audit": SimpleNamespace(append=self.entries.extend),
            "follows": SimpleNamespace(
                follower_regions=lambda owner_id: self.follower_regions,
                local_followers=lambda owner_id, after, limit: (self.followers[:limit], None),
            ),
        }
        return SimpleNamespace(**{name: Stepped(table) for name, table in tables.items()})

    def _put(self, photo: Photo) -> None:
        if photo.photo_id not in self.tombstoned:
            self.stored[photo.photo_id] = photo

    def _delete(self, tombstone: Tombstone, event: Event | None) -> bool:
        self.stored.pop(tombstone.photo_id, None)
        return self.tombstoned.setdefault(tombstone.photo_id, tombstone) is tombstone

    def _expect(self, photo_id: str, until_ms: int) -> None:
        self.expected_ms[photo_id] = max(until_ms, self.expected_ms.get(photo_id, 0))

    def _record(self, replica: Replica) -> None:
        if replica.photo_id not in self.tombstoned:
            self.recorded[replica.region] = replica


@dataclass
class ObjectStore:
    """The destination's. A signed PUT replaces nothing, and writes when its last byte arrives."""

    clock_ms: Callable[[], int]
    stored: dict[tuple[str, str], ObjectInfo] = field(default_factory=dict)
    begun: int = 0
    puts: int = 0

    def info(self, bucket: str, key: str) -> ObjectInfo | None:
        return self.stored.get((bucket, key))

    def delete(self, bucket: str, key: str) -> None:
        self.stored.pop((bucket, key), None)

    def list(self, bucket: str, prefix: str) -> Iterator[ObjectInfo]:
        return iter([info for (of, key), info in self.stored.items() if of == bucket and key.startswith(prefix)])

    def list_uploads(self, bucket: str, key: str) -> tuple[str, ...]:
        return ()

    def sign_put(self, bucket: str, info: ObjectInfo, expires_ms: int) -> SignedPut:
        claim = "|".join(map(str, (bucket, *astuple(info), expires_ms)))
        return SignedPut(f"http://objects/{claim}", {})

    def take(self, url: str) -> None:
        bucket, key, size_bytes, sha256, content_type, cache, expires_ms = url.removeprefix("http://objects/").split(
            "|"
        )
        if self.clock_ms() >= int(expires_ms):
            raise Unavailable("403")
        begun_ms = self.clock_ms()
        self.begun += 1
        step()
        if self.clock_ms() > begun_ms + PUT_LASTS_MS:
            raise Unavailable("too slow")
        if (bucket, key) not in self.stored:
            self.stored[bucket, key] = ObjectInfo(key, int(size_bytes), sha256, content_type, cache)
            self.puts += 1


@dataclass
class Rule:
    """What one end allows; it may be changed."""

    allowed: Decisions

    def decide(self, subject: Subject, action: Action, place: str) -> Decision:
        return Decision(self.allowed[action], f"policy.yaml:{int(self.allowed[action])}", "", "v1")

    def current(self) -> "Rule":
        return self


class World:
    def __init__(self, at_home: Decisions, there: Decisions, has_followers: bool = True) -> None:
        self.now_ms = 1_000_000
        self.home, self.destination = Catalog({PHOTO_ID: PHOTO}), Catalog()
        self.rules = {HOME: Rule(at_home), DESTINATION: Rule(there)}
        self.objects, self.published = ObjectStore(lambda: self.now_ms), list[Event]()
        if has_followers:
            self.home.follower_regions.add(DESTINATION)
            self.destination.followers.append(ids.to_public(ids.USER, 6 << 22))
        events = Stepped(SimpleNamespace(publish=self.published.extend))
        there_ports = SimpleNamespace(catalog=self.destination.ports(), objects=Stepped(self.objects), events=events)
        clock_ms = lambda: self.now_ms  # noqa: E731
        audit = AuditTrail(there_ports.catalog, clock_ms)
        limiter: Any = SimpleNamespace(
            take_bytes=lambda region, size_bytes: None, may_refer=lambda author_id, photo_id: True
        )
        self._receiver = Receiver(DESTINATION, there_ports, self.rules[DESTINATION], audit, limiter, clock_ms)
        self._home_ports = SimpleNamespace(catalog=self.home.ports(), objects=None, events=events)

    def lane(self) -> LaneHandlers:
        """Of a process that has just started."""
        audit = AuditTrail(self._home_ports.catalog, lambda: self.now_ms)
        home = LaneHome(SimpleNamespace(name=HOME), self._home_ports, lambda: self.rules[HOME], audit)
        destination = SimpleNamespace(name=DESTINATION)
        return LaneHandlers(home, destination, self, self, lambda: self.now_ms)

    # The border, as documents that cross it.

    def offer(self, offer: Offer) -> OfferAnswer:
        return self._answered(offer, self._receiver.offered)

    def arrived(self, offer: Offer) -> OfferAnswer:
        return self._answered(offer, self._receiver.arrived)

    def delete(self, photo_id: str, deleted_at_ms: int) -> bool:
        step()
        again_at_ms = self._receiver.delete(photo_id, deleted_at_ms)
        step()
        return again_at_ms is None

    def send(self, objects: Any, photo_id: str, wanted: Any, put: SignedPut) -> None:
        step()
        self.objects.take(put.url)

    def _answered(self, offer: Offer, receive: Callable[[Offer], OfferAnswer]) -> OfferAnswer:
        step()
        received = parse_offer(offer_document(offer), HOME)
        self.require_logged(HOME, received)
        document = answer_document(receive(received))
        step()
        return parse_answer(document, offer)

    def require_logged(self, region: str, offer: Offer) -> None:
        """Nothing crosses before the decision that allows it is on the audit log."""
        actions = {one.action for one in offer.objects}
        actions |= {Action.REST_METADATA} if offer.metadata else set()
        actions |= {Action.REFERENCE} if offer.reference else set()
        assert actions <= {entry.action for entry in self.home.entries if entry.allowed}

    # What the test looks at.

    def kept(self) -> set[str]:
        """The destination's objects, by bucket and the last part of the key."""
        return {
            f"{bucket}/{key.rpartition('/')[2] if bucket == VARIANTS else 'raw'}" for bucket, key in self.objects.stored
        }


@dataclass
class Process:
    """Runs `work` again and again until it returns, as an event is delivered until it is handled."""

    work: Callable[[], object]
    done: bool = False
    _running: Any = None

    def go_on(self) -> None:
        """One step."""
        if self.done:
            return
        if self._running is None or self._running.dead:
            self._running = greenlet.greenlet(self._attempt)
        self._running.switch()

    def kill(self) -> None:
        """It begins anew, unless it is done."""
        if self._running is not None and not self._running.dead:
            self._running.is_killed = True
            self._running.throw()

    def finish(self, world: World) -> None:
        for _ in range(10_000):
            if self.done:
                return
            self.go_on()
            world.now_ms += 1_000
        raise AssertionError("it never ends")

    def _attempt(self) -> None:
        try:
            self.work()
        except (Problem, NotYet):
            return
        except greenlet.GreenletExit:
            return
        self.done = True


READY, DELETED = photo_ready(PHOTO, 9), photo_deleted(PHOTO, DELETED_AT_MS)
