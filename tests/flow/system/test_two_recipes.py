"""A photo that is processed again by another recipe, in the whole system: new URLs, and the old ones as they were."""

import os

import pytest

from darkroom.client.client import ClientError
from darkroom.local.addresses import TOPOLOGY
from processing import job, moderation
from processing.imaging import recipe, variants
from processing.photo_processor import with_outcome
from regions import config
from regions.clock import now_ms
from regions.events import messages
from regions.records import Status

HOME = "eu-west"
BOTH = {f"{size}{recipe}.jpg" for size in (150, 320, 640, 1080) for recipe in (".v2", ".v3")}


@pytest.fixture
def ana(system):
    return system.person("Ana", "PT", "lisbon")


@pytest.fixture
def bob(system, ana):
    """Follows Ana from another region."""
    bob = system.person("Bob", "US", "chicago")
    bob.client.follow(bob.id, ana.id)
    return bob


@pytest.fixture
def process_again(system, monkeypatch):
    """Runs the photo job with recipe 3, which saves smaller files, and records the outcome as a processor would."""

    def process_again(photo_id: str) -> None:
        monkeypatch.setattr(recipe, "RECIPE", 3)
        monkeypatch.setattr(variants, "_QUALITY", 40)
        loaded = config.load(system.data / TOPOLOGY, os.environ)
        stores = config.open_stores(loaded, HOME)
        try:
            photo = stores.catalog.photos.get(photo_id)
            budget_s, known_bad = 60.0, moderation.KnownBad()
            request = job.JobRequest(loaded, HOME, photo_id, photo.size_bytes, photo.sha256, known_bad, budget_s)
            processed = with_outcome(photo, job.run(request))
            event = messages.photo_ready(processed, now_ms())
            assert stores.catalog.photos.update(processed, {Status.READY}, event)
        finally:
            stores.close()

    return process_again


@pytest.fixture
def images(system, ana):
    """Every edge's bytes of one variant: `images(photo_id, name)`."""
    return lambda photo_id, name: {ana.client.image(f"{url}/p/{photo_id}/{name}")[0] for url in system.edges.values()}


def stored(system, photo_id: str, folder: str) -> set[str]:
    """The names of the photo's files below the folder."""
    files = [path for path in system.files_of(photo_id) if path.as_posix().startswith(folder)]
    return {path.name for path in files if not path.name.startswith(".")}


def test_an_old_url_gives_the_old_bytes_and_the_photo_names_new_urls(ana, bob, draw, eventually, process_again, images):
    """At every edge, and in a follower's feed in another region."""
    photo = ana.upload_ready(draw(90, 1400, 1000))
    eventually(lambda: photo["id"] in bob.feed_ids())
    [old] = images(photo["id"], "640.v2.jpg")
    process_again(photo["id"])
    [new] = images(photo["id"], "640.v3.jpg")
    assert images(photo["id"], "640.v2.jpg") == {old}
    assert len(new) < len(old)
    for found in (ana.client.photo(photo["id"]), *bob.client.feed(bob.id)["items"]):
        assert {url.rpartition("/")[2] for url in found["variants"].values()} == {name for name in BOTH if "v3" in name}


def test_variants_of_both_recipes_are_copied_and_deleted_together(system, ana, draw, eventually, process_again, images):
    """To the other EU region and into caches; after the deletion no folder has a byte of them."""
    photo = ana.upload_ready(draw(91, 1400, 1000))
    process_again(photo["id"])
    for region in (HOME, "eu-central"):
        folder = f"regions/{region}/objects/variants/"
        eventually(lambda folder=folder: stored(system, photo["id"], folder) == BOTH)
    for name in BOTH:
        images(photo["id"], name)
    cached = stored(system, photo["id"], "edges/lisbon/cache/")
    assert {file.rpartition(".")[0] for file in cached} == BOTH
    ana.client.delete(photo["id"])
    eventually(lambda: not system.files_of(photo["id"]), explain=lambda: str(system.files_of(photo["id"])))
    for name in BOTH:
        with pytest.raises(ClientError) as refused:
            images(photo["id"], name)
        assert refused.value.status == 404
