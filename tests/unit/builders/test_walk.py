"""The walk over the disks finds each kind of mistake, and none where there is none."""

import json
import shutil
import sqlite3
from contextlib import closing

import pytest

from tests.builders.history import Completion, Operation, Verb
from tests.builders.participants import photo_of
from tests.builders.walk import EVERYWHERE, DiskWalk

ANA, BOB = "u_ana", "u_bob"
HOMES = {ANA: "eu-west", BOB: "us-central"}
KEPT, GONE, BOBS = "p_kept", "p_gone", "p_bobs"
CAPTIONS = {KEPT: "kept", GONE: "gone", BOBS: "bobs"}
PLACES = {KEPT: ("eu-west", "eu-central"), BOBS: ("us-central", "eu-west", "eu-central")}
RAWS = {KEPT: ("eu-west", "eu-central"), BOBS: ("us-central", "eu-central")}
SIZES = ("150", "320", "640", "1080")
TABLES = {
    "catalog": """
        CREATE TABLE photos (photo_id, record); CREATE TABLE tombstones (photo_id); CREATE TABLE audit (record);
        CREATE TABLE replicas (photo_id, region, record); CREATE TABLE likes (photo_id, user_id);
        CREATE TABLE comments (photo_id, comment_id, record); CREATE TABLE following (follower_id, author_id);
        CREATE TABLE users (user_id, record); CREATE TABLE credentials (user_id, kind);
        CREATE TABLE copies (home, kind, about, part, document);
    """,
    "feeds": "CREATE TABLE feeds (user_id, photo_id);",
    "events": "CREATE TABLE log (topic, event);",
}


COMMENT = json.dumps({"text": "How blue!", "author_id": BOB})
COPIES = [
    *((home, "user", user, "", json.dumps({"name": user})) for user, home in HOMES.items()),
    *((home, "credentials", user, "", '{"credentials": []}') for user, home in HOMES.items()),
    ("us-central", "follow", BOB, ANA, "{}"),
    ("eu-west", "like", KEPT, BOB, "{}"),
    ("eu-west", "comment", KEPT, "c_1", COMMENT),
    ("eu-west", "like", KEPT, ANA, None),
]
"""All in eu-central. The last one is of a record that is gone."""


def done(process, verb, target, value=None, at_s=0.0, completion=Completion.OK):
    return Operation(process, verb, target, value, at_s, at_s + 0.1, completion)


OPERATIONS = [
    *(done(BOB if photo == BOBS else ANA, Verb.UPLOAD, photo, caption) for photo, caption in CAPTIONS.items()),
    done(ANA, Verb.DELETE, GONE, at_s=1),
    done(BOB, Verb.LIKE, KEPT, at_s=1),
    done(BOB, Verb.FOLLOW, ANA, at_s=1),
    done(BOB, Verb.COMMENT, KEPT, "How blue!", at_s=1),
    done(BOB, Verb.COMMENT, KEPT, "Oops", at_s=2),
    done(BOB, Verb.UNCOMMENT, KEPT, "Oops", at_s=3),
]


class FaultlessDisks:
    """As a system leaves them that made no mistake, once they are filled."""

    def __init__(self, folder):
        self.folder = folder

    def fill(self):
        folder = self.folder
        for region in EVERYWHERE:
            (folder / "regions" / region / "objects").mkdir(parents=True)
            for database, tables in TABLES.items():
                with closing(sqlite3.connect(folder / "regions" / region / f"{database}.db")) as opened:
                    opened.executescript(tables)
            self.write(region, "tombstones", GONE)
        for photo, places in PLACES.items():
            for place in places:
                self.store(photo, place)
        self.write("eu-west", "likes", KEPT, BOB)
        self.write("us-central", "following", BOB, ANA)
        self.write("eu-west", "comments", KEPT, "c_1", COMMENT)
        for user, home in HOMES.items():
            self.write(home, "users", user, json.dumps({"name": user}))
            self.write(home, "credentials", user, "passphrase")
        for home, kind, about, part, document in COPIES:
            self.write("eu-central", "copies", home, kind, about, part, document)
        self.write("us-central", "feeds", BOB, KEPT, database="feeds")
        self.cache("lisbon", KEPT)
        self.cache("sydney", BOBS)

    def store(self, photo, place):
        home = PLACES[photo][0]
        data, has_raw = photo_of(CAPTIONS[photo]), place in RAWS[photo]
        for name in [f"{size}.jpg" for size in SIZES]:
            self.file(data, "regions", place, "objects", "variants", "ab", photo, name)
        if has_raw:
            self.file(data, "regions", place, "objects", "raw", "ab", photo)
        self.file(b"{}", "regions", place, "objects", "raw", "ab", f".{photo}.json")
        self.write(place, "photos", photo, json.dumps({"status": "ready", "caption": CAPTIONS[photo]}))
        if place != home:
            replica = {"raw": has_raw, "variants": True, "missing": 0}
            self.write(home, "replicas", photo, place, json.dumps(replica))
            for action in ("rest_raw", "rest_variants", "rest_metadata"):
                entry = {"photo_id": photo, "action": action, "place": place, "allowed": True}
                self.write(home, "audit", json.dumps(entry))
                self.write(place, "audit", json.dumps(entry))

    def cache(self, edge, photo):
        self.file(photo_of(CAPTIONS[photo]), "edges", edge, "cache", "ab", photo, f"320.jpg.{'0' * 64}")

    def file(self, data, *parts):
        path = self.folder.joinpath(*parts)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    def write(self, region, table, *values, database="catalog"):
        marks = ", ".join("?" * len(values))
        self.change(region, f"INSERT INTO {table} VALUES ({marks})", *values, database=database)

    def change(self, region, statement, *values, database="catalog"):
        with closing(sqlite3.connect(self.folder / "regions" / region / f"{database}.db")) as opened, opened:
            # Nothing here outlives the test.
            opened.execute("PRAGMA synchronous = OFF")
            opened.execute(statement, values)

    def mistakes(self):
        return DiskWalk(self.folder, OPERATIONS, HOMES, photo_of).mistakes()


@pytest.fixture(scope="module")
def faultless(tmp_path_factory):
    made = FaultlessDisks(tmp_path_factory.mktemp("faultless"))
    made.fill()
    return made.folder


@pytest.fixture
def disks(faultless, tmp_path):
    """A copy that the test may change."""
    return FaultlessDisks(shutil.copytree(faultless, tmp_path / "disks"))


def test_where_all_is_well_nothing_is_found(disks):
    """No false alarm."""
    assert disks.mistakes() == []


def objects(disks, region):
    return disks.folder / "regions" / region / "objects"


MISTAKES = {
    "the raw is lost at home": lambda disks: (objects(disks, "eu-west") / "raw" / "ab" / KEPT).unlink(),
    "a copy is lost": lambda disks: shutil.rmtree(objects(disks, "eu-central") / "variants" / "ab" / KEPT),
    "a copy has other bytes": lambda disks: disks.file(
        b"x", "regions", "eu-central", "objects", "variants", "ab", KEPT, "320.jpg"
    ),
    "a variant is of another photo": lambda disks: [
        disks.file(photo_of("other"), "regions", place, "objects", "variants", "ab", KEPT, "320.jpg")
        for place in PLACES[KEPT]
    ],
    "a record is lost": lambda disks: disks.change("eu-central", "DELETE FROM photos WHERE photo_id = ?", KEPT),
    "a replica is not recorded": lambda disks: disks.change("eu-west", "DELETE FROM replicas"),
    "a replica is recorded as not whole": lambda disks: disks.change(
        "eu-west", "UPDATE replicas SET record = ?", json.dumps({"raw": True, "variants": True, "missing": 1})
    ),
    "a raw is where none may be": lambda disks: disks.file(b"x", "regions", "eu-west", "objects", "raw", "ab", BOBS),
    "variants leaked": lambda disks: disks.file(
        b"x", "regions", "us-central", "objects", "variants", "ab", KEPT, "320.jpg"
    ),
    "a record leaked": lambda disks: disks.write("us-central", "photos", KEPT, json.dumps({"caption": "kept"})),
    "an image leaked to an edge": lambda disks: disks.cache("sydney", KEPT),
    "a deleted raw is back": lambda disks: disks.file(b"x", "regions", "eu-central", "objects", "raw", "ab", GONE),
    "a deleted record is back": lambda disks: disks.write(
        "eu-central", "photos", GONE, json.dumps({"caption": "gone"})
    ),
    "a deleted image is at an edge": lambda disks: disks.cache("lisbon", GONE),
    "a tombstone is lost": lambda disks: disks.change("us-central", "DELETE FROM tombstones"),
    "an upload made two photos": lambda disks: disks.write("eu-west", "photos", "p_2", json.dumps({"caption": "kept"})),
    "an object has no record": lambda disks: disks.file(b"x", "regions", "eu-west", "objects", "raw", "ab", "p_x"),
    "a decision is not logged": lambda disks: disks.change("eu-central", "DELETE FROM audit"),
    "a like is lost": lambda disks: disks.change("eu-west", "DELETE FROM likes"),
    "a follow is lost": lambda disks: disks.change("us-central", "DELETE FROM following"),
    "a photo is not in a feed": lambda disks: disks.change("us-central", "DELETE FROM feeds", database="feeds"),
    "a comment is lost": lambda disks: disks.change("eu-west", "DELETE FROM comments"),
    "a comment is there twice": lambda disks: disks.write("eu-west", "comments", KEPT, "c_1", COMMENT),
    "a removed comment is back": lambda disks: disks.write(
        "eu-west", "comments", KEPT, "c_1", COMMENT.replace("How blue!", "Oops")
    ),
    "an account has no copy": lambda disks: disks.change("eu-central", "DELETE FROM copies WHERE kind = 'user'"),
    "a copy is of an earlier name": lambda disks: disks.change(
        "eu-central", "UPDATE copies SET document = ? WHERE kind = 'user'", json.dumps({"name": "before"})
    ),
    "a copy is of a record that is gone": lambda disks: disks.change(
        "eu-central", "UPDATE copies SET document = '{}' WHERE document IS NULL"
    ),
    "a record has two copies": lambda disks: disks.write("eu-west", "copies", *COPIES[1]),
    "an account leaked": lambda disks: [
        disks.change("eu-central", "DELETE FROM copies WHERE about = ? AND kind = 'user'", ANA),
        disks.write("us-central", "copies", *COPIES[0]),
    ],
    "a lane gave up": lambda disks: disks.write("eu-west", "log", "dead_letters", "{}", database="events"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_found(disks, mistake):
    """Of each kind."""
    MISTAKES[mistake](disks)
    assert disks.mistakes()
