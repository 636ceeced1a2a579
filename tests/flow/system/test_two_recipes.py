"""A photo of an older recipe that is processed again, in the whole system: new URLs, and the old ones as they were."""

import subprocess
import sys

import pytest

from darkroom.client.client import ClientError

HOME = "eu-west"
BOTH = {f"{size}{recipe}.jpg" for size in (150, 320, 640, 1080) for recipe in ("", ".v2")}


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
def reprocess(system):
    """`darkroom reprocess eu-west --photo …`, as an operator types it."""

    def run(*photo_ids: str) -> None:
        command = [
            sys.executable,
            "-m",
            "darkroom",
            "--data",
            str(system.data),
            "reprocess",
            HOME,
            "--photo",
            *photo_ids,
        ]
        subprocess.run(command, check=True, capture_output=True, timeout=120)

    return run


@pytest.fixture
def images(system, ana):
    """Every edge's bytes of one variant: `images(photo_id, name)`."""
    return lambda photo_id, name: {ana.client.image(f"{url}/p/{photo_id}/{name}")[0] for url in system.edges.values()}


def stored(system, photo_id: str, folder: str) -> set[str]:
    """The names of the photo's files below the folder."""
    files = [path for path in system.files_of(photo_id) if path.as_posix().startswith(folder)]
    return {path.name for path in files if not path.name.startswith(".")}


def test_an_old_url_gives_the_old_bytes_and_the_photo_names_new_urls(
    ana, bob, draw, eventually, of_recipe_1, reprocess, images
):
    """At every edge, and in a follower's feed in another region, where the photo stands once."""
    photo = ana.upload_ready(draw(90, 1400, 1000))
    eventually(lambda: photo["id"] in bob.feed_ids())
    of_recipe_1(photo["id"])
    [old] = images(photo["id"], "640.jpg")
    reprocess(photo["id"])
    [new] = images(photo["id"], "640.v2.jpg")
    assert images(photo["id"], "640.jpg") == {old}
    assert len(new) > len(old)
    for found in (ana.client.photo(photo["id"]), *bob.client.feed(bob.id)["items"]):
        assert {url.rpartition("/")[2] for url in found["variants"].values()} == {name for name in BOTH if "v2" in name}
    assert bob.feed_ids().count(photo["id"]) == 1


def test_variants_of_both_recipes_are_copied_and_deleted_together(
    system, ana, draw, eventually, of_recipe_1, reprocess, images
):
    """To the other EU region and into caches; after the deletion no folder has a byte of them."""
    photo = ana.upload_ready(draw(91, 1400, 1000))
    of_recipe_1(photo["id"])
    reprocess(photo["id"])
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
