"""One running system for all tests of this folder; each brings people of its own."""

import io
import os
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from hashlib import sha256

import pytest
from PIL import Image

from darkroom.local.addresses import TOPOLOGY
from regions import config
from regions.clock import now_ms
from regions.events import messages
from regions.records import Photo, Status, Variant
from regions.stores.objects import IMMUTABLE, VARIANTS, Objects, variant_key
from tests.conftest import System

HOME = "eu-west"


@pytest.fixture(scope="package")
def system(start_system: Callable[..., Iterator[System]], tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    yield from start_system(tmp_path_factory.mktemp("system"))


@pytest.fixture
def of_recipe_1(system: System) -> Callable[[str], None]:
    """Gives a photo the record and the variants that an older program made: of recipe 1, and smaller files."""

    def make(photo_id: str) -> None:
        loaded = config.load(system.data / TOPOLOGY, os.environ)
        with closing(config.open_stores(loaded, HOME)) as stores:
            photo = stores.catalog.photos.get(photo_id)
            older = [older_variant(stores.objects, photo, variant) for variant in photo.variants]
            changed = replace(photo, variants=tuple(older), recipe=1)
            event = messages.photo_ready_again(changed, now_ms())
            assert stores.catalog.photos.update(changed, {Status.READY}, event)

    return make


def older_variant(objects: Objects, photo: Photo, variant: Variant) -> Variant:
    """Instead of this one."""
    key = variant_key(photo.photo_id, variant.name)
    with objects.open(VARIANTS, key) as chunks:
        picture, file = Image.open(io.BytesIO(b"".join(chunks))), io.BytesIO()
    picture.save(file, "JPEG", quality=40)
    data, digest = file.getvalue(), sha256(file.getvalue()).hexdigest()
    older = replace(variant, recipe=1, size_bytes=len(data), sha256=digest)
    objects.put(VARIANTS, variant_key(photo.photo_id, older.name), [data], digest, "image/jpeg", IMMUTABLE)
    objects.delete(VARIANTS, key)
    return older
