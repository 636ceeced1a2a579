"""What two versions must understand of each other: one program writes a region's stores and the documents that pass
between servers, another reads them.

    python -m tests.compat.program write FOLDER
    python -m tests.compat.program read FOLDER

Each version has this file, which calls that version's own code. Both commands print facts as JSON, by names that stay
the same: `write` what it wrote, `read` what it understood. `FOLDER/topology.toml` has the region; `prepare` creates its
stores or brings them up to date. A new fact gets a new name; a fact that an older version knows keeps its meaning.
"""

import hashlib
import json
import sys
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge import grants
from origin.border import details
from regions import config, ids, keys, node_tokens, tombstone_cursors
from regions.clock import now_s
from regions.config import Stores
from regions.events import messages
from regions.events.topics import FOLLOW_CHANGED, PHOTO_DELETED, PHOTO_READY
from regions.preparation import prepare_region
from regions.records import AuditEntry, Comment, Photo, Replica, Status, Tombstone, Upload, User, Variant
from regions.stores.objects import RAW, raw_key

REGION = "eu-west"
Facts = dict[str, Any]

_BYTES = b"the bytes of a photo"
_NODE_KEY = Ed25519PrivateKey.generate()
_CALL = node_tokens.Call(REGION, "GET", "/v1/tombstones")
_DOCUMENTS, _KEY, _FACTS = "documents", "node.pem", "facts.json"
_POLL_S, _POLLS = 1.0, 20


def _id(kind: str, number: int) -> str:
    return ids.to_public(kind, number)


ANA, BOB = _id(ids.USER, 1), _id(ids.USER, 2)
SHOWN, DELETED = _id(ids.PHOTO, 3), _id(ids.PHOTO, 4)
COMMENT = _id(ids.COMMENT, 5)


def write(folder: Path) -> Facts:
    loaded = config.load(folder / "topology.toml", {})
    with closing(config.open_stores(loaded, REGION)) as stores:
        _write_catalog(stores)
        stores.feeds.add(SHOWN, [BOB])
        stores.feeds.mark_complete(BOB)
        stores.settings.values.write("compat/value", "a value")
        stores.objects.put(RAW, raw_key(SHOWN), [_BYTES], hashlib.sha256(_BYTES).hexdigest(), "image/jpeg")
        photo = stores.catalog.photos.get(SHOWN)
        assert photo is not None
        stores.events.publish(
            [
                messages.photo_ready(photo, 10),
                messages.photo_deleted(replace(photo, photo_id=DELETED), 11),
                messages.follow_changed(BOB, ANA, True, 12),
            ]
        )
        _write_documents(folder / _DOCUMENTS, photo)
    return read(folder)


def read(folder: Path) -> Facts:
    loaded = config.load(folder / "topology.toml", {})
    with closing(config.open_stores(loaded, REGION)) as stores:
        facts = _read_catalog(stores) | _read_events(stores) | _read_documents(folder / _DOCUMENTS)
        facts["feed"] = stores.feeds.page(BOB, None, 9)
        setting = stores.settings.values.read("compat/value")
        facts["setting"] = setting.value if setting else None
        with stores.objects.open(RAW, raw_key(SHOWN)) as chunks:
            facts["raw"] = b"".join(chunks).decode()
    return facts


def _write_catalog(stores: Stores) -> None:
    catalog = stores.catalog
    for user_id, name in ((ANA, "Ana"), (BOB, "Bob")):
        catalog.users.add(User(user_id, name, "PT", "eu", REGION, 1))
    for photo_id in (SHOWN, DELETED):
        photo = Photo(photo_id, ANA, "eu", REGION, Status.UPLOADING, "At sea", 20, None, 2)
        catalog.photos.create(photo, Upload(photo_id, "multipart", "a.jpg", 20, 20, 1 << 40))
        ready = replace(
            photo,
            status=Status.READY,
            width=4000,
            height=3000,
            variants=(Variant(640, 640, 480, 9, "ab" * 32), Variant(640, 640, 480, 7, "cd" * 32, 2, "avif")),
        )
        assert catalog.photos.update(ready, {Status.UPLOADING}, messages.photo_ready(ready, 10))
    catalog.likes.add(SHOWN, BOB, 3)
    catalog.comments.add(Comment(COMMENT, SHOWN, BOB, "Lovely", 4))
    catalog.follows.change(BOB, ANA, True, messages.follow_changed(BOB, ANA, True, 12))
    catalog.replicas.put(Replica(SHOWN, "us-central", True, True, "policy.yaml:1", "v1", 5))
    catalog.audit.append([AuditEntry(SHOWN, "serve", "lisbon", True, "policy.yaml:2", "v1", 6)])
    catalog.photos.delete(Tombstone(DELETED, ANA, 7), messages.photo_deleted(replace(photo, status=Status.READY), 11))


def _read_catalog(stores: Stores) -> Facts:
    catalog = stores.catalog
    photo, user, upload = catalog.photos.get(SHOWN), catalog.users.get(ANA), catalog.uploads.get(SHOWN)
    assert photo is not None and user is not None
    return {
        "user": [user.name, user.country, user.residency_class, user.home_region],
        "photo": [photo.owner_id, photo.status, photo.caption, photo.width, photo.height, photo.created_at_ms],
        "variants": [[variant.name, variant.size_bytes, variant.sha256] for variant in photo.variants],
        "public": photo.is_public,
        "upload": [upload.filename, upload.size_bytes] if upload else None,
        "owned": [photo.photo_id for photo in catalog.photos.by_owner(ANA, None, 9)],
        "deleted": catalog.photos.get(DELETED) is None,
        "tombstones": [entry.tombstone.photo_id for entry in catalog.tombstones.after({}, 9).entries],
        "likes": catalog.likes.page(SHOWN, None, 9),
        "comments": [[comment.author_id, comment.text] for comment in catalog.comments.page(SHOWN, None, 9)],
        "authors": catalog.follows.authors(BOB, None, 9),
        "followers": catalog.follows.local_followers(ANA, None, 9)[0],
        "replicas": [[replica.region, replica.raw, replica.rule] for replica in catalog.replicas.of_photo(SHOWN)],
        "audit": [[entry.action, entry.place, entry.allowed] for entry in catalog.audit.latest(SHOWN, 9)],
        "outbox": sorted([event.topic, event.key, event.event_id] for event in catalog.outbox.pending(99)),
    }


def _read_events(stores: Stores) -> Facts:
    """What a new group finds in the log; nothing is committed, so each reader finds it again."""
    found: list[list[Any]] = []
    for topic in (PHOTO_READY, PHOTO_DELETED, FOLLOW_CHANGED):
        with closing(stores.events.consumer(topic, "compat", "reader")) as consumer:
            for _ in range(_POLLS):
                if polled := consumer.poll(9, _POLL_S):
                    break
            found += [
                [one.event.topic, one.event.key, one.event.at_ms, one.event.body]
                if isinstance(one.event, messages.Event)
                else ["unreadable", one.event.error]
                for one in polled
            ]
    return {"events": found}


def _write_documents(folder: Path, photo: Photo) -> None:
    """What servers send each other: of each kind, one that another version may receive."""
    folder.mkdir(exist_ok=True)
    (folder / _KEY).write_text(keys.private_pem(_NODE_KEY))
    grant = grants.Grant("ab" * 32, "eu", REGION, 0.0)
    documents = {
        "details": {"items": [details.outgoing(photo.summary())], "gone": [DELETED]},
        "stated_grant": grants.to_header(grant, cache=False),
        "call": node_tokens.issue("lisbon", "k1", _NODE_KEY, _CALL, now_s()),
        "cursors": tombstone_cursors.to_document({0: 5, 1023: 7}),
    }
    (folder / _FACTS).write_text(json.dumps(documents))


def _read_documents(folder: Path) -> Facts:
    documents: Mapping[str, Any] = json.loads((folder / _FACTS).read_text())
    received = details.incoming(json.dumps(documents["details"]).encode(), [SHOWN, DELETED], REGION)
    facts: Facts = {
        "details": [[one.photo_id, one.owner_id, one.caption, one.width] for one in received.photos],
        "gone": received.gone,
        "cursors": sorted(tombstone_cursors.parse(documents["cursors"]).items()),
    }
    if "call" in documents:
        public = {"k1": keys.public_text(keys.private_key((folder / _KEY).read_text()).public_key())}
        facts["caller"] = node_tokens.sender(documents["call"], _CALL, lambda name: public, now_s())
        headers = {grants.GRANT_HEADER: documents["stated_grant"], "Age": "0"}
        grant = grants.renewed("ab" * 32, headers, REGION, 0.0)
        facts["stated_grant"] = [grant.residency_class, grant.sender_caches]
    return facts


def main(command: str, folder: Path) -> None:
    loaded = config.load(folder / "topology.toml", {})
    match command:
        case "prepare":
            prepare_region(loaded, REGION)
        case "write":
            sys.stdout.write(json.dumps(write(folder)))
        case "read":
            sys.stdout.write(json.dumps(read(folder)))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
