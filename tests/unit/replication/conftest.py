"""Three regions on one disk, with the real embedded stores and the shipped policy."""

import hashlib
import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from darkroom.local import data_folder
from darkroom.local.compliance import statement_of
from regions import ids
from regions.clock import now_ms
from regions.config import Config, Stores, object_address, open_stores
from regions.events import messages
from regions.events.messages import Event
from regions.events.set_aside import TEN_MINUTES, NotYet
from regions.node_tokens import NodeSigner
from regions.records import Photo, Status, Tombstone, Upload, User, Variant
from regions.region_client import RegionClient
from regions.residency.audit import AuditTrail
from regions.residency.rules import Rules
from regions.residency.statement import Purpose
from regions.stores.objects import IMMUTABLE, RAW, VARIANTS, raw_key, variant_key
from replication.border import Border
from replication.handlers import LaneHandlers, LaneHome
from replication.transfer import Sender
from tests.builders.region_servers import RegionServers, ports_of

NOW_MS = now_ms() - 3_600_000
SIZES = (150, 320)


class HookedSender:
    """A real sender that calls a function before or after each object that it sends, or after each chunk it reads.

    So tests can place an action exactly into the middle of a copy.
    """

    def __init__(self, sender, before_put=None, after_put=None):
        self._sender, self._before, self._after = sender, before_put, after_put

    def send(self, *arguments):
        if self._before:
            self._before()
        self._sender.send(*arguments)
        if self._after:
            self._after()


class HookedObjects:
    """A real object store that calls a function after each chunk of a read."""

    def __init__(self, objects, in_read):
        self._objects, self._in_read = objects, in_read

    def __getattr__(self, name):
        return getattr(self._objects, name)

    @contextmanager
    def open(self, bucket, key):
        with self._objects.open(bucket, key) as chunks:
            yield self._hooked(chunks)

    def _hooked(self, chunks):
        for chunk in chunks:
            yield chunk
            self._in_read()


class AheadClock:
    """The machine's clock, by which processes go too; a test may set it ahead."""

    def __init__(self) -> None:
        self._ahead_ms = 0

    def now_ms(self) -> int:
        return now_ms() + self._ahead_ms

    def advance(self, ms: int) -> None:
        self._ahead_ms += ms


@dataclass
class Regions:
    data: Path
    config: Config
    stores: dict[str, Stores]
    rules: dict[str, Rules]
    servers: dict[str, RegionServers]
    clock: AheadClock
    numbers: Iterator[int]
    hooks: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.everything = {"raw", *map(str, SIZES)}
        self.audits = {name: AuditTrail(stores.catalog, self.clock.now_ms) for name, stores in self.stores.items()}

    def lane(self, home: str, destination: str) -> LaneHandlers:
        sender = HookedSender(Sender(object_address(self.config, destination)), **self.hooks.get(destination, {}))
        return LaneHandlers(
            self.home(home), self.config.topology.regions[destination], self.border(home, destination), sender,
            self.clock.now_ms,
        )  # fmt: skip

    def home(self, region: str) -> LaneHome:
        node = self.config.topology.regions[region]
        return LaneHome(node, self.stores[region], lambda: self.rules[region], self.audits[region])

    def border(self, home: str, destination: str) -> Border:
        """That of the destination, as the home asks it."""
        return Border(self.config.topology.regions[destination], self.client(home))

    def client(self, home: str) -> RegionClient:
        private = self.config.private_keys(home, Purpose.NODE)
        listed = lambda: self.rules[home].public_keys(home, Purpose.NODE)  # noqa: E731
        signer = NodeSigner(home, private, listed, lambda: self.clock.now_ms() // 1000)
        return RegionClient(signer)

    def lose_lease(self, region: str) -> None:
        """For data of that region, nobody knows what may cross."""
        self.rules[region] = replace(self.rules[region], leased=False)

    def new_id(self, kind: str, region: str) -> str:
        number = self.config.topology.regions[region].number
        return ids.to_public(kind, ids.compose(ids.Snowflake(NOW_MS + next(self.numbers), number, 1, 0)))

    def add_photo(self, home: str, owner_id: str = "", size_bytes: int = 3_000_000) -> tuple[Photo, Event]:
        """A photo that is ready at its home, with its objects, and its event, which is published at its home, too."""
        photo, event = self.add_record(home, owner_id, size_bytes)
        photo_id, objects = photo.photo_id, self.stores[home].objects
        objects.put(RAW, raw_key(photo_id), [bytes_of(photo_id, 0, size_bytes)], str(photo.sha256), "image/jpeg")
        for variant in photo.variants:
            key, body = variant_key(photo_id, variant.name), bytes_of(photo_id, variant.size, variant.size_bytes)
            objects.put(VARIANTS, key, [body], variant.sha256, "image/jpeg", IMMUTABLE)
        self.stores[home].events.publish([event])
        return photo, event

    def add_record(self, home: str, owner_id: str = "", size_bytes: int = 1) -> tuple[Photo, Event]:
        """Only the metadata of a ready photo, in its home's catalog; its event is not published."""
        photo_id, owner_id = self.new_id(ids.PHOTO, home), owner_id or self.new_id(ids.USER, home)
        residency_class = "eu" if home.startswith("eu") else "world"
        sha256s = {size: sha256(bytes_of(photo_id, size, 20_000)) for size in SIZES}
        photo = Photo(
            photo_id, owner_id, residency_class, home, Status.PROCESSING, "The harbour", size_bytes,
            sha256(bytes_of(photo_id, 0, size_bytes)), NOW_MS, "image/jpeg",
            variants=tuple(Variant(size, size, size, 20_000, sha256s[size]) for size in SIZES),
        )  # fmt: skip
        return self._make_ready(photo)

    def _make_ready(self, photo: Photo) -> tuple[Photo, Event]:
        stores, ready = self.stores[photo.home_region], replace(photo, status=Status.READY)
        event = messages.photo_ready(ready, NOW_MS)
        stores.catalog.photos.create(photo, Upload(photo.photo_id, "m", "a.jpg", photo.size_bytes, photo.size_bytes, 1))
        assert stores.catalog.photos.update(ready, {Status.PROCESSING}, event)
        return ready, event

    def add_user(self, region: str) -> User:
        residency_class, country = ("eu", "PT") if region.startswith("eu") else ("world", "US")
        user = User(self.new_id(ids.USER, region), "Bob", country, residency_class, region, NOW_MS)
        self.stores[region].catalog.users.add(user)
        return user

    def follow(self, region: str, author_id: str, following: bool = True) -> Event:
        """A new user of the region follows the author, or no longer does; the event is published there too."""
        follower, stores = self.add_user(region), self.stores[region]
        home = next(one for one in self.stores if self.config.topology.regions[one].number == number_of(author_id))
        self.stores[home].catalog.users.add(replace(follower, user_id=author_id, home_region=home))
        event = messages.follow_changed(follower.user_id, author_id, following, NOW_MS)
        stores.catalog.follows.change(follower.user_id, author_id, following, event)
        stores.events.publish([event])
        return event

    def add_follower(self, photo: Photo, region: str) -> None:
        """Somebody there follows the photo's owner, whose home knows it."""
        self.follow(region, photo.owner_id)
        self.stores[photo.home_region].catalog.follows.add_follower_region(photo.owner_id, region)

    def confirm_deletion(self, lane: LaneHandlers, event: Event) -> None:
        """Handles it again when nothing of the photo can arrive any more."""
        with suppress(NotYet):
            lane.handle_deleted(event)
            return
        self.clock.advance(TEN_MINUTES.ms)
        lane.handle_deleted(event)

    def delete(self, photo: Photo) -> Event:
        """Deletes as the owner does, at the photo's home: writes the tombstone and publishes its event."""
        stores, event = self.stores[photo.home_region], messages.photo_deleted(photo, NOW_MS)
        assert stores.catalog.photos.delete(Tombstone(photo.photo_id, photo.owner_id, NOW_MS), event)
        stores.events.publish([event])
        return event

    def files_of(self, photo: Photo) -> dict[str, set[str]]:
        """What each region's object folder has of the photo: `raw`, the size of a variant, or the path of another file.

        The hidden metadata file beside an object counts as that object.
        """
        found: dict[str, set[str]] = {}
        for region in self.stores:
            root = self.data / "regions" / region / "objects"
            for path in (path for path in root.rglob("*") if path.is_file()):
                if photo.photo_id in path.as_posix() or sha256(path.read_bytes()) in sha256s_of(photo):
                    found.setdefault(region, set()).add(self._name(path.relative_to(root), photo))
        return found

    def corrupt(self, photo: Photo) -> Path:
        """Flips one bit of the raw on the home's disk, as a bad disk would; returns its path."""
        path = self.data / "regions" / photo.home_region / "objects" / RAW / raw_key(photo.photo_id)
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        written_ns = path.stat().st_mtime_ns
        path.write_bytes(content)
        os.utime(path, ns=(written_ns, written_ns))
        return path

    def published(self, region: str, topic: str) -> list[Event]:
        """All events on a topic of the region's event log, sorted by key."""
        consumer = self.stores[region].events.consumer(topic, "test", "test")
        consumer.owned()
        deliveries = consumer.poll(1000, 0)
        consumer.close()
        return sorted((delivery.event for delivery in deliveries), key=lambda event: event.key)

    def hook(self, region: str, **hooks: Callable[[], object]) -> None:
        """From now on, lanes call `before_put` or `after_put` when they send an object to the region."""
        self.hooks[region] = hooks

    def hook_reads(self, region: str, in_read: Callable[[], object]) -> None:
        """From now on calls it after each chunk that is read in the region's object store."""
        stores = self.stores[region]
        self.stores[region] = replace(stores, objects=HookedObjects(stores.objects, in_read))

    def audited(self, photo: Photo) -> set[tuple[str, str, bool]]:
        """Action, place and whether it was allowed, from the audit log of the photo's home."""
        entries = self.stores[photo.home_region].catalog.audit.latest(photo.photo_id, 100)
        return {(entry.action, entry.place, entry.allowed) for entry in entries}

    def replicas(self, photo: Photo) -> list[tuple[str, bool, bool]]:
        """Region, raw and variants of each replica that the photo's home has recorded."""
        recorded = self.stores[photo.home_region].catalog.replicas.of_photo(photo.photo_id)
        return [(replica.region, replica.raw, replica.variants) for replica in recorded]

    def lag(self, region: str, topic: str, group: str) -> int:
        return sum(self.stores[region].events.lag(topic, group).values())

    @staticmethod
    def _name(path: Path, photo: Photo) -> str:
        names = {raw_key(photo.photo_id): "raw"}
        names |= {variant_key(photo.photo_id, variant.name): str(variant.size) for variant in photo.variants}
        is_metadata = path.name.startswith(".")
        described = path.with_name(path.name.removeprefix(".").removesuffix(".json")) if is_metadata else path
        bucket, _, key = described.as_posix().partition("/")
        return names.get(key, path.as_posix()) if bucket in (RAW, VARIANTS) else path.as_posix()


def number_of(user_id: str) -> int:
    return ids.parse(ids.USER, user_id).region


def bytes_of(photo_id: str, size: int, size_bytes: int) -> bytes:
    return random.Random(f"{photo_id}/{size}").randbytes(size_bytes)


def sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def sha256s_of(photo: Photo) -> set[str]:
    return {str(photo.sha256), *(variant.sha256 for variant in photo.variants)}


@pytest.fixture
def regions(tmp_path: Path) -> Iterator[Regions]:
    machine = data_folder.read_machine()
    servers = {name: RegionServers() for name in machine.regions}
    config = data_folder.prepare(tmp_path, machine, ports_of(machine, servers))
    statement = statement_of(config)
    opened = {name: open_stores(config, name) for name in config.topology.regions}
    rules = dict.fromkeys(opened, Rules(statement, (), leased=True))
    made = Regions(tmp_path, config, opened, rules, servers, AheadClock(), count())
    for name, server in servers.items():
        server.serve(config, name, opened[name], partial(made.rules.__getitem__, name), made.clock.now_ms)
    yield made
    for server in servers.values():
        server.close()
    for stores in opened.values():
        stores.close()
