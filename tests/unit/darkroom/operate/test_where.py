"""`where` finds every stored byte and record, in real stores and by real HTTP, and names the rule that allows it."""

import hashlib
import io
import json
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkroom.command_error import CommandError
from darkroom.local import data_folder
from darkroom.local.compliance import statement_of
from darkroom.operate import where
from darkroom.operate.photo_walk import PhotoWalk, StoredItem
from darkroom.operate.stored_copy import StoredCopy
from darkroom.operate.where import NO_OWNER, Nobody, evaluate, locate, owner_of
from regions import config, ids
from regions.clock import now_s
from regions.config import Config
from regions.errors import NotFound, Problem, Unavailable
from regions.node_tokens import Call, sender
from regions.records import Photo, Status, Tombstone, Upload
from regions.residency.decide import Subject
from regions.residency.policy import Action
from regions.residency.rules import Rules
from regions.residency.statement import Purpose
from regions.stores.objects import RAW, VARIANTS, raw_key, variant_key
from regions.stores.settings import STATEMENT
from regions.topology import Place

MACHINE = data_folder.read_machine()
EU_WEST = 1
PHOTO_ID = ids.to_public(ids.PHOTO, ids.compose(ids.Snowflake(ids.EPOCH_MS + 1, EU_WEST, 0, 0)))
PHOTO = Photo(PHOTO_ID, "u_00000000001", "eu", "eu-west", Status.UPLOADING, "", 3, None, 1)
SHIPPED = "policy.yaml"


@dataclass
class World:
    """The real stores of three regions, and the inventories that four edges respond with."""

    data: Path
    config: Config | None = None
    inventories: dict[str, list[dict]] = field(default_factory=dict)
    silent: set[str] = field(default_factory=set)
    frozen: set[str] = field(default_factory=set)
    thawed: threading.Event = field(default_factory=threading.Event)

    def put(self, region: str, bucket: str, key: str, data: bytes = b"abc") -> None:
        digest = hashlib.sha256(data).hexdigest()
        config.open_objects(self.config, region).put(bucket, key, [data], digest, "image/jpeg")

    def respond(self, edge: str, path: str, token: str) -> tuple[int, dict]:
        statement = statement_of(self.config)
        keys_of = Rules(statement, (), leased=True).public_keys
        try:
            sender(token, Call(edge, "GET", path), lambda name: keys_of(name, Purpose.NODE), now_s())
        except Problem as problem:
            return problem.status, problem.document()
        if edge in self.frozen:
            self.thawed.wait(30)
        if edge in self.silent:
            return 503, {}
        return 200, {"items": self.inventories.get(edge, []) if path == f"/edge/inventory/{PHOTO_ID}" else []}

    def at_home(self):
        return config.open_stores(self.config, "eu-west")

    def put_record(self, region: str, photo: Photo) -> None:
        """As a lane does."""
        with closing(config.open_catalog(self.config, region)) as catalog:
            catalog.photos.put_replica_metadata(photo)

    def delete_at(self, region: str) -> None:
        with closing(config.open_catalog(self.config, region)) as catalog:
            catalog.photos.delete(Tombstone(PHOTO_ID, PHOTO.owner_id, 2), None)

    def takes_away(self, region: str, port: str) -> None:
        """The region's store is not where its topology says."""
        topology = self.config.topology
        broken = replace(topology.regions[region], **{port: f"sqlite://{self.data}/missing.db"})
        regions = {**topology.regions, region: broken}
        self.config = replace(self.config, topology=replace(topology, regions=regions))

    def copies(self) -> list[StoredCopy]:
        return locate(self.config, PHOTO_ID).all_copies()


class Handler(BaseHTTPRequestHandler):
    world: World
    edge: str

    def do_GET(self) -> None:
        status, document = self.world.respond(self.edge, self.path, self.headers.get("Darkroom-Node", ""))
        data = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *arguments: object) -> None:
        """Prints nothing: tests check the located copies instead."""


@pytest.fixture
def world(tmp_path, serve) -> Iterator[World]:
    world = World(tmp_path)
    handlers = {name: type("BoundHandler", (Handler,), {"world": world, "edge": name}) for name in MACHINE.edges}
    servers = {f"edge-{name}": ThreadingHTTPServer(("127.0.0.1", 0), handler) for name, handler in handlers.items()}
    for server in servers.values():
        server.daemon_threads, server.block_on_close = True, False
    serve(servers.values())
    ports = {process.name: 1 for process in MACHINE.processes()}
    ports |= {name: server.server_address[1] for name, server in servers.items()}
    world.config = data_folder.prepare(tmp_path, MACHINE, ports)
    yield world
    world.thawed.set()


@pytest.fixture
def filled(world) -> World:
    """A photo of eu-west, with its raw and one variant in its home region."""
    stores = world.at_home()
    stores.catalog.photos.create(PHOTO, Upload(PHOTO_ID, "m", "a.jpg", 3, 3, 2))
    stores.close()
    world.put("eu-west", RAW, raw_key(PHOTO_ID))
    world.put("eu-west", VARIANTS, variant_key(PHOTO_ID, "320.jpg"))
    return world


def test_bytes_in_the_home_region_are_allowed_by_a_rule(filled):
    """Each copy has its size, and the rule by file and line."""
    raw, variant, *records = filled.copies()
    assert (raw.place, raw.what, raw.size_bytes, raw.allowed) == ("eu-west", "raw", 3, True)
    assert (variant.place, variant.what, variant.allowed) == ("eu-west", "variant 320.jpg", True)
    assert raw.rule.startswith(f"{SHIPPED}:")
    assert [(one.what, one.size_bytes, one.allowed) for one in records] == [
        ("record", None, True),
        ("record of the upload", None, True),
    ]


def test_a_record_in_another_region_is_found_and_has_a_rule(filled):
    """Caption, owner and hash rest there: where no rule lets metadata rest, that is forbidden."""
    for region in ("eu-central", "us-central"):
        filled.put_record(region, PHOTO)
    records = {(one.place, one.allowed) for one in filled.copies() if one.what == "record"}
    assert records == {("eu-west", True), ("eu-central", True), ("us-central", False)}


def test_parts_of_an_unfinished_upload_are_found(filled):
    """They are bytes of the photo, although they are not an object yet."""
    objects = config.open_objects(filled.config, "us-central")
    objects.write_part(objects.create_upload(RAW, raw_key(PHOTO_ID)), 1, io.BytesIO(b"abcd"), 4)
    [part] = [item for item in filled.copies() if item.place == "us-central"]
    assert (part.what, part.size_bytes, part.allowed) == ("part 1 (unfinished)", 4, False)


def test_a_copy_that_no_catalog_lists_is_found(filled):
    """It is stored in the United States, where no rule of its class allows it."""
    filled.put("us-central", RAW, raw_key(PHOTO_ID), b"stray")
    stray = [item for item in filled.copies() if not item.allowed]
    assert [(item.place, item.what, item.size_bytes) for item in stray] == [("us-central", "raw", 5)]


def test_cached_copies_at_edges_are_found(filled):
    """Lisbon may cache the photo and Sydney may not."""
    filled.inventories["lisbon"] = filled.inventories["sydney"] = [
        {"name": "640.v2.jpg", "where": "disk", "size_bytes": 9}
    ]
    cached = [item for item in filled.copies() if item.what == "cached 640.v2.jpg (disk)"]
    assert [(item.place, item.allowed) for item in cached] == [("lisbon", True), ("sydney", False)]


def test_another_photos_bytes_are_not_listed(filled):
    """Although they are stored in the same folders."""
    filled.put("eu-central", RAW, raw_key(ids.to_public(ids.PHOTO, 77)))
    assert {item.place for item in filled.copies()} == {"eu-west"}


def test_nothing_of_a_deleted_photo_is_allowed(filled):
    """Not even in its home region; nor what is back in another one, which was restored from a backup."""
    filled.delete_at("eu-west")
    filled.put_record("eu-central", PHOTO)
    copies = filled.copies()
    assert {(item.place, item.what, item.allowed) for item in copies} == {
        ("eu-west", "raw", False),
        ("eu-west", "variant 320.jpg", False),
        ("eu-central", "record", False),
    }
    assert all(item.rule.startswith("it was deleted, says eu-west") for item in copies)


def test_a_home_that_has_lost_the_tombstone_is_found_out(filled):
    """It was restored from a backup: the other regions know that the photo was deleted."""
    filled.delete_at("us-central")
    copies = filled.copies()
    assert {item.allowed for item in copies} == {False}
    assert {item.what for item in copies} >= {"raw", "record"}
    assert all("us-central" in item.rule for item in copies)


def test_what_lies_elsewhere_of_a_photo_without_a_record_at_home_is_forbidden(world):
    """Perhaps it was never there."""
    world.put_record("eu-central", PHOTO)
    assert [(item.place, item.allowed, item.rule) for item in world.copies()] == [("eu-central", False, NO_OWNER.rule)]


def test_one_region_that_has_the_statement_is_enough(filled):
    """What is no statement, in the settings of others, counts as none."""
    for region in ("eu-west", "us-central"):
        with closing(config.open_settings(filled.config, region)) as settings:
            settings.values.write(STATEMENT, "policy: [")
    assert {item.allowed for item in filled.copies()} == {True}


def test_who_needs_all_copies_gets_an_error_where_an_edge_does_not_answer(filled):
    """The error names the edge: it may have cached anything."""
    filled.silent.add("chicago")
    with pytest.raises(Unavailable, match="chicago"):
        filled.copies()


def test_what_is_known_is_shown_while_places_are_away(filled, capsys):
    """All are asked at once, until one deadline. The exit code says that not all was looked at."""
    filled.frozen |= {"lisbon", "sydney"}
    filled.silent.add("chicago")
    began_s = time.monotonic()
    assert where.main(filled.data, PHOTO_ID, 2.0) == 1
    assert time.monotonic() - began_s < 4
    shown = " ".join(capsys.readouterr().out.split())
    assert "variant 320.jpg" in shown and "The policy allows the 4 copies and records that were found." in shown
    assert "lisbon (cache): no answer within 2 s" in shown and "sydney (cache): no answer within 2 s" in shown
    assert "chicago (cache): it answers 503" in shown


def test_while_the_home_is_away_the_class_that_another_region_has_counts(filled):
    """What it does not know is whether the photo was deleted: the home's catalog is listed as away."""
    filled.put_record("eu-central", PHOTO)
    filled.put_record("us-central", PHOTO)
    filled.takes_away("eu-west", "catalog")
    located = locate(filled.config, PHOTO_ID)
    assert {(one.place, one.allowed) for one in located.copies if one.what == "record"} == {
        ("eu-central", True),
        ("us-central", False),
    }
    assert list(located.away) == ["eu-west (catalog)"]


def test_nobody_can_tell_whose_photo_it_is_where_no_catalog_says(filled):
    """Then it is neither allowed nor forbidden."""
    filled.takes_away("eu-west", "catalog")
    assert {one.allowed for one in locate(filled.config, PHOTO_ID).copies} == {None}


def test_regions_that_differ_about_the_class_are_not_believed():
    """One of them may be in an attacker's hands."""
    photos = {"eu-central": PHOTO, "us-central": replace(PHOTO, residency_class="world")}
    assert owner_of(PhotoWalk([], photos, {}, None, {}), "eu-west").allowed is None
    assert owner_of(PhotoWalk([], {**photos, "eu-west": PHOTO}, {}, None, {}), "eu-west") == Subject("eu", "eu-west")


@pytest.mark.parametrize("other", ["u_00000000001", "c_00000000001"])
def test_the_id_of_something_else_is_explained(world, other):
    """With another command than the one that led here."""
    with pytest.raises(CommandError) as raised:
        locate(world.config, other)
    assert other in raised.value.message and raised.value.exit_code == 2
    assert "darkroom feed" not in raised.value.advice


@pytest.mark.parametrize("photo_id", ["harbour.jpg", "../secrets", ids.to_public(ids.PHOTO, 1)])
def test_an_id_that_is_not_a_regions_photo_is_not_found(world, photo_id):
    """This is known before any store is opened."""
    with pytest.raises(NotFound):
        locate(world.config, photo_id)


def test_the_command_exits_with_1_for_what_is_forbidden(filled, capsys):
    """It exits with 0 if there is nothing. It says what can be done about it, and what it did not look at."""
    assert where.main(filled.data, PHOTO_ID) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "The policy allows all 4 stored copies and records" in shown
    assert "Not looked at: feeds and event logs" in shown
    filled.put_record("us-central", PHOTO)
    assert where.main(filled.data, PHOTO_ID) == 1
    shown = " ".join(capsys.readouterr().out.split())
    assert "us-central" in shown
    assert "The policy forbids 1 of 5 stored copies and records" in shown
    assert "→ An edge drops" in shown and "no command of this version removes it" in shown


def test_what_is_left_of_a_deleted_photo_is_waited_for(filled, capsys):
    filled.delete_at("eu-west")
    assert where.main(filled.data, PHOTO_ID) == 1
    assert "look again in ten minutes" in " ".join(capsys.readouterr().out.split())


@given(st.sampled_from(Action), st.text(max_size=8), st.sampled_from(["EU", "US", "AU"]))
def test_without_an_owner_nothing_is_allowed_anywhere(action, name, jurisdiction):
    """This holds for every place and every action."""
    found = StoredItem(Place(name, "region", jurisdiction), "raw", 1, action)
    rules = Rules(None, (), leased=True)
    assert evaluate(rules, NO_OWNER, found) == StoredCopy(name, "raw", 1, False, NO_OWNER.rule)
    assert evaluate(rules, Nobody(None, "away"), found).allowed is None
