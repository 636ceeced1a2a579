"""A region in a folder of its own, and photos that have just been uploaded there, for benchmarks of the photo job."""

import secrets
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import synthetic_photos
from processing import fingerprints
from regions import config as configuration
from regions import ids
from regions.config import Stores, open_stores
from regions.events import messages
from regions.events.messages import Event
from regions.ids import Snowflake
from regions.image_limits import JPEG
from regions.preparation import prepare_region
from regions.records import Photo, Status
from regions.stores.objects import RAW, raw_key
from regions.stores.settings import KNOWN_BAD, MAX_VALUE_BYTES

REGION = "eu-west"

_SEEDS = range(21, 25)
_WIDTH_PX, _HEIGHT_PX, _QUALITY = 4000, 3000, 90
"""At this quality a drawn photo has 2 MB, as a phone's has."""
_NUMBER, _CREATED_AT_MS = 1, 1_780_000_000_000
_TOPOLOGY = """
[regions.eu-west]
number = 1
jurisdiction = "EU"
latitude = 38.7
longitude = -9.1
origin = "http://127.0.0.1:1"
objects = "directory://{folder}/objects?server=http://127.0.0.1:2"
catalog = "sqlite://{folder}/catalog.db"
feeds = "sqlite://{folder}/feeds.db"
events = "sqlite://{folder}/events.db"
settings = "sqlite://{folder}/settings.db"
public_key = ""

[edges.lisbon]
jurisdiction = "EU"
latitude = 38.7
longitude = -9.1
url = "http://127.0.0.1:3"
cache = "cache"
public_key = ""
shield_of = "eu-west"
"""


@dataclass(frozen=True, slots=True)
class Room:
    topology: Path
    stores: Stores

    def uploaded(self, number: int, raw: bytes) -> Event:
        """The event of a new photo whose raw has arrived, of an owner of its own."""
        photo_id, owner_id = (_id(kind, number) for kind in (ids.PHOTO, ids.USER))
        photo = Photo(photo_id, owner_id, "eu", REGION, Status.PROCESSING, "", len(raw), None, _CREATED_AT_MS)
        self.stores.objects.put(RAW, raw_key(photo_id), [raw], fingerprints.sha256(raw), JPEG)
        self.stores.catalog.photos.put_replica_metadata(photo)
        return messages.photos_uploaded(photo, _CREATED_AT_MS)


@contextmanager
def opened() -> Iterator[Room]:
    """With as long a known-bad list as the settings take."""
    with tempfile.TemporaryDirectory(prefix="darkroom-bench-") as name:
        folder = Path(name)
        (folder / "secrets").mkdir()
        (folder / "secrets" / f"{REGION}.objects").write_bytes(secrets.token_bytes(32))
        file = folder / "topology.toml"
        file.write_text(_TOPOLOGY.format(folder=folder))
        config = configuration.load(file, {})
        prepare_region(config, REGION)
        with closing(open_stores(config, REGION)) as stores:
            stores.settings.values.write(KNOWN_BAD, _known_bad())
            yield Room(file, stores)


def raws() -> list[bytes]:
    return [synthetic_photos.jpeg(seed, _WIDTH_PX, _HEIGHT_PX, _QUALITY) for seed in _SEEDS]


def _known_bad() -> str:
    line = "phash {}\n"
    count = MAX_VALUE_BYTES // len(line.format("0" * 64))
    return "".join(line.format(secrets.token_hex(32)) for _ in range(count))


def _id(kind: str, number: int) -> str:
    return ids.to_public(kind, ids.compose(Snowflake(_CREATED_AT_MS + number, _NUMBER, 0, 0)))
