"""Fixtures for the tests of `processing`: image files of every kind, and a region on this disk."""

import fcntl
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from PIL import Image

from processing import known_bad, worker
from regions.records import Photo
from regions.stores.objects import VARIANTS, variant_key
from tests.builders import pngs, scenes
from tests.builders.rooms import Room, open_room


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    opened = open_room(tmp_path)
    # Jobs that run in this process have what a worker's process has.
    here = worker.Worker(opened.config, None)
    here.known_bad = known_bad.WorkerLists(lambda region, version: opened.hash_list.get(version))
    worker.become(here)
    yield opened
    opened.stores.close()


@pytest.fixture(scope="session")
def gradient() -> Callable[..., Image.Image]:
    """A picture with no two quarters alike: `gradient(width, height, mode="RGB")`."""

    return lambda width, height, mode="RGB": scenes.image(scenes.gradient(width, height), mode)


@pytest.fixture(scope="session")
def file() -> Callable[..., bytes]:
    """The bytes of a Pillow image: `file(image, "PNG", **options)`."""

    def save(image: Image.Image, kind: str = "JPEG", **options: Any) -> bytes:
        buffer = io.BytesIO()
        image.save(buffer, kind, **options)
        return buffer.getvalue()

    return save


@pytest.fixture(scope="session")
def png_header() -> Callable[[int, int], bytes]:
    """A PNG that claims a size but has almost no pixels: `png_header(width, height)`."""

    return lambda width, height: pngs.whole(pngs.header(width, height), *pngs.data(bytes(64)))


class Stuck:
    """Stops a job in the middle: it has written a variant to a temporary file, and waits for the lock to rename it."""

    @contextmanager
    def writing(self, room: Room, photo: Photo) -> Iterator[None]:
        """Holds the lock that the store takes to write the photo's variants."""
        folder = room.folder / "objects" / VARIANTS / variant_key(photo.photo_id, "150.jpg").partition("/")[0]
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        try:
            yield
        finally:
            os.close(descriptor)

    def worker(self) -> psutil.Process | None:
        """The child process that waits there; None if there is none."""
        children = psutil.Process().children(recursive=True)
        return next((child for child in children if self.has_half_a_variant(child)), None)

    def has_half_a_variant(self, process: psutil.Process) -> bool:
        try:
            return any("/objects/tmp/" in file.path for file in process.open_files())
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            return False


@pytest.fixture
def stuck() -> Stuck:
    return Stuck()
