"""A region on this disk, to which tests add users and photos as its origin would."""

import hashlib
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from processing import job, known_bad
from processing.moderation import EMPTY, KnownBad
from regions import config as configuration
from regions import ids
from regions.config import Config, Stores, open_stores
from regions.events import messages
from regions.events.messages import Event
from regions.ids import Snowflake, compose, to_public
from regions.preparation import prepare_region
from regions.records import Photo, Status, Upload
from regions.stores.objects import RAW, VARIANTS, raw_key, variant_key, variant_prefix
from tests.builders.topologies import one_region

REGION, NUMBER = "eu-west", 3
_T0_MS = 1_780_000_000_000


def an_id(kind: str, sequence: int, region: int = NUMBER) -> str:
    return to_public(kind, compose(Snowflake(_T0_MS + sequence, region, 0, 0)))


@dataclass
class Room:
    """A region with real stores in a folder of its own, and methods that add users and photos to it."""

    config: Config
    stores: Stores
    folder: Path
    hash_list: known_bad.HashList = field(default_factory=known_bad.HashList)
    """The actor, in this process: what jobs that run here fetch their known-bad list from."""
    clock_ms: int = _T0_MS

    def user_id(self, sequence: int, region: int = NUMBER) -> str:
        return an_id(ids.USER, sequence, region)

    def photo_id(self, sequence: int, region: int = NUMBER) -> str:
        return an_id(ids.PHOTO, sequence, region)

    def uploaded(self, data: bytes, sequence: int = 1, **changes: Any) -> tuple[Photo, Event]:
        """A photo whose raw is stored and whose upload is complete; its event is published."""
        photo = self.uploading(sequence, **({"size_bytes": len(data)} | changes))
        self.put_raw(photo, data)
        return photo, self.complete(photo)

    def put_raw(self, photo: Photo, data: bytes) -> None:
        digest = hashlib.sha256(data).hexdigest()
        self.stores.objects.put(RAW, raw_key(photo.photo_id), [data], digest, "application/octet-stream")

    def uploading(self, sequence: int = 1, expires_at_ms: int = _T0_MS + 1000, **changes: Any) -> Photo:
        photo_id = self.photo_id(sequence)
        values = {"owner_id": self.user_id(1), "size_bytes": 1, "sha256": None} | changes
        owner_id = values.pop("owner_id")
        photo = Photo(photo_id, owner_id, "eu", REGION, Status.UPLOADING, "", created_at_ms=_T0_MS, **values)
        multipart_id = self.stores.objects.create_upload(RAW, raw_key(photo_id))
        upload = Upload(photo_id, multipart_id, "a.jpg", photo.size_bytes, 5 << 20, expires_at_ms)
        self.stores.catalog.photos.create(photo, upload)
        return photo

    def complete(self, photo: Photo) -> Event:
        event = messages.photos_uploaded(photo, _T0_MS)
        self.change(photo, Status.PROCESSING, event)
        self.stores.events.publish([event])
        self.stores.catalog.outbox.remove([event])
        return event

    def change(self, photo: Photo, status: Status, event: Event | None = None) -> None:
        values = {name: getattr(photo, name) for name in Photo.__dataclass_fields__} | {"status": status}
        assert self.stores.catalog.photos.update(Photo(**values), set(Status), event)

    def photo(self, photo: Photo) -> Photo:
        stored = self.stores.catalog.photos.get(photo.photo_id)
        assert stored is not None
        return stored

    def variants(self, photo: Photo | str) -> list[str]:
        """By the photo, or by its id."""
        listed = self.stores.objects.list(VARIANTS, variant_prefix(_id_of(photo)))
        return sorted(info.key.rpartition("/")[2] for info in listed)

    def variant_bytes(self, photo: Photo | str) -> dict[str, bytes]:
        """By name."""
        found = {}
        for name in self.variants(photo):
            with self.stores.objects.open(VARIANTS, variant_key(_id_of(photo), name)) as chunks:
                found[name] = b"".join(chunks)
        return found

    def raw(self, photo: Photo | str) -> Any:
        return self.stores.objects.info(RAW, raw_key(_id_of(photo)))

    def request(self, photo: Photo, known_bad: KnownBad = EMPTY, **changes: Any) -> job.JobRequest:
        """With a list, that is published first."""
        self.hash_list.put(known_bad)
        values = {
            "size_bytes": photo.size_bytes,
            "sha256": photo.sha256,
            "known_bad_version": known_bad.version,
        }
        return job.JobRequest(REGION, photo.photo_id, **({"budget_s": 60.0} | values | changes))


def open_room(folder: Path) -> Room:
    """Close its stores at the end."""
    (folder / "secrets").mkdir()
    (folder / "secrets" / f"{REGION}.objects").write_bytes(secrets.token_bytes(32))
    file = folder / "topology.toml"
    file.write_text(one_region(folder))
    config = configuration.load(file, {})
    prepare_region(config, REGION)
    return Room(config, open_stores(config, REGION), folder)


def _id_of(photo: Photo | str) -> str:
    return photo if isinstance(photo, str) else photo.photo_id
