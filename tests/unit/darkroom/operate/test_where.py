"""`where` finds every stored byte, in real stores and through real HTTP, and names the rule that allows it."""

import hashlib
import io
import json
from contextlib import closing
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from darkroom.local import data_folder
from darkroom.local.compliance import statement_of
from darkroom.operate import where
from darkroom.operate.where import NO_OWNER, StoredBytes, StoredCopy, evaluate, locate
from regions import config, ids
from regions.clock import now_s
from regions.config import Config
from regions.errors import NotFound, Problem, Unavailable
from regions.node_tokens import Call, sender
from regions.records import Photo, Status, Tombstone, Upload
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
        if edge in self.silent:
            return 503, {}
        return 200, {"items": self.inventories.get(edge, []) if path == f"/edge/inventory/{PHOTO_ID}" else []}

    def at_home(self):
        return config.open_stores(self.config, "eu-west")


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
def world(tmp_path, serve) -> World:
    world = World(tmp_path)
    handlers = {name: type("BoundHandler", (Handler,), {"world": world, "edge": name}) for name in MACHINE.edges}
    servers = {f"edge-{name}": ThreadingHTTPServer(("127.0.0.1", 0), handler) for name, handler in handlers.items()}
    serve(servers.values())
    ports = {process.name: 1 for process in MACHINE.processes()}
    ports |= {name: server.server_address[1] for name, server in servers.items()}
    world.config = data_folder.prepare(tmp_path, MACHINE, ports)
    return world


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
    raw, variant = locate(filled.config, PHOTO_ID)
    assert (raw.place, raw.what, raw.size_bytes, raw.allowed) == ("eu-west", "raw", 3, True)
    assert (variant.place, variant.what, variant.allowed) == ("eu-west", "variant 320.jpg", True)
    assert raw.rule.startswith(f"{SHIPPED}:")


def test_parts_of_an_unfinished_upload_are_found(filled):
    """They are bytes of the photo, although they are not an object yet."""
    objects = config.open_objects(filled.config, "us-central")
    objects.write_part(objects.create_upload(RAW, raw_key(PHOTO_ID)), 1, io.BytesIO(b"abcd"), 4)
    [part] = [item for item in locate(filled.config, PHOTO_ID) if item.place == "us-central"]
    assert (part.what, part.size_bytes, part.allowed) == ("part 1 (unfinished)", 4, False)


def test_a_copy_that_no_catalog_lists_is_found(filled):
    """It is stored in the United States, where no rule of its class allows it."""
    filled.put("us-central", RAW, raw_key(PHOTO_ID), b"stray")
    stray = [item for item in locate(filled.config, PHOTO_ID) if not item.allowed]
    assert [(item.place, item.what, item.size_bytes) for item in stray] == [("us-central", "raw", 5)]


def test_cached_copies_at_edges_are_found(filled):
    """Lisbon may cache the photo and Sydney may not."""
    filled.inventories["lisbon"] = filled.inventories["sydney"] = [
        {"name": "640.v2.jpg", "where": "disk", "size_bytes": 9}
    ]
    cached = [item for item in locate(filled.config, PHOTO_ID) if item.what == "cached 640.v2.jpg (disk)"]
    assert [(item.place, item.allowed) for item in cached] == [("lisbon", True), ("sydney", False)]


def test_another_photos_bytes_are_not_listed(filled):
    """Although they are stored in the same folders."""
    filled.put("eu-central", RAW, raw_key(ids.to_public(ids.PHOTO, 77)))
    assert {item.place for item in locate(filled.config, PHOTO_ID)} == {"eu-west"}


def test_no_byte_of_a_deleted_photo_is_allowed(filled):
    """Not even in its home region."""
    stores = filled.at_home()
    stores.catalog.photos.delete(Tombstone(PHOTO_ID, PHOTO.owner_id, 2), None)
    stores.close()
    assert {(item.allowed, item.rule) for item in locate(filled.config, PHOTO_ID)} == {(False, NO_OWNER)}


def test_one_region_that_has_the_statement_is_enough(filled):
    """What is no statement, in the settings of others, counts as none."""
    for region in ("eu-west", "us-central"):
        with closing(config.open_settings(filled.config, region)) as settings:
            settings.values.write(STATEMENT, "policy: [")
    assert {item.allowed for item in locate(filled.config, PHOTO_ID)} == {True}


def test_a_silent_edge_is_an_error(filled):
    """The error names the edge: it may have cached anything."""
    filled.silent.add("chicago")
    with pytest.raises(Unavailable, match="chicago"):
        locate(filled.config, PHOTO_ID)


@pytest.mark.parametrize("photo_id", ["u_00000000001", "harbour.jpg", "../secrets", ids.to_public(ids.PHOTO, 1)])
def test_an_id_that_is_not_a_regions_photo_is_not_found(world, photo_id):
    """This is known before any store is opened."""
    with pytest.raises(NotFound):
        locate(world.config, photo_id)


def test_the_command_exits_with_1_for_a_forbidden_copy(filled, capsys):
    """It exits with 0 if there is none. The table shows places and rules."""
    assert where.main(filled.data, PHOTO_ID) == 0
    assert "The policy allows all 2 stored copies" in capsys.readouterr().out
    filled.put("us-central", RAW, raw_key(PHOTO_ID))
    assert where.main(filled.data, PHOTO_ID) == 1
    shown = capsys.readouterr().out
    assert "us-central" in shown
    assert "The policy forbids 1 of 3 stored copies" in shown


@given(st.sampled_from(Action), st.text(max_size=8), st.sampled_from(["EU", "US", "AU"]))
def test_without_an_owner_nothing_is_allowed_anywhere(action, name, jurisdiction):
    """This holds for every place and every action."""
    found = StoredBytes(Place(name, "region", jurisdiction), "raw", 1, action)
    assert evaluate(Rules(None, (), leased=True), None, found) == StoredCopy(name, "raw", 1, False, NO_OWNER)
