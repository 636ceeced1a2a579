"""The main job without embedded stores: Cassandra, Kafka, Redis, Consul and S3 behind the same five ports."""

import io
import os
from contextlib import closing

import pytest
import redis
from PIL import Image

from darkroom.client.client import ClientError, PhotoRejected
from darkroom.local.addresses import TOPOLOGY
from regions import config
from tests.builders.image_paths import image_path
from tests.builders.samples import all_copies

pytestmark = pytest.mark.xdist_group("server_system")

EU = ("eu-west/", "eu-central/")
READY_S = 120


@pytest.fixture
def ana(server_system):
    return server_system.person("Ana", "PT", "lisbon")


@pytest.fixture
def bob(server_system):
    return server_system.person("Bob", "US", "chicago")


def ready(person, photo: bytes, caption: str | None = None) -> dict:
    return person.client.wait_until_ready(person.upload(photo, caption), READY_S)


def test_a_photo_reaches_a_follower_across_the_ocean(server_system, ana, bob, draw, eventually):
    """From Lisbon into a feed in Chicago, once, and served by the edge there."""
    bob.client.follow(bob.id, ana.id)
    photo = ready(ana, draw(1, 1400, 1000), "The harbour")
    eventually(lambda: photo["id"] in bob.feed_ids(), READY_S)
    item = bob.client.feed(bob.id)["items"][0]
    assert (item["id"], item["owner"], item["caption"]) == (photo["id"], ana.id, "The harbour")
    data, headers = bob.client.image(item["variants"]["1080"])
    assert Image.open(io.BytesIO(data)).size == (1080, 771)
    assert "chicago" in headers["Cache-Status"]


def test_bytes_of_an_eu_photo_are_in_eu_buckets_only(server_system, ana, draw, eventually):
    """Found by walking the S3 server's files on disk."""
    photo = ready(ana, draw(2))
    eventually(lambda: len(server_system.objects_of(photo["id"]).get("eu-central/variants", ())) == 4, READY_S)
    eventually(lambda: "eu-central/raw" in server_system.objects_of(photo["id"]), READY_S)
    assert all(name.startswith(EU) for name in server_system.objects_of(photo["id"]))


def test_bytes_of_a_us_photo_are_stored_where_its_class_allows(server_system, bob, draw, eventually):
    """Variants in every region, the raw in two of three."""
    photo = ready(bob, draw(3))
    for region in ("us-central", "eu-west", "eu-central"):
        name = f"{region}/variants"
        eventually(lambda name=name: len(server_system.objects_of(photo["id"]).get(name, ())) == 4, READY_S)
    eventually(lambda: "eu-central/raw" in server_system.objects_of(photo["id"]), READY_S)
    assert "eu-west/raw" not in server_system.objects_of(photo["id"])


def test_a_deleted_photo_is_gone_everywhere(server_system, ana, draw, eventually):
    """From every bucket, and from every edge."""
    photo = ready(ana, draw(4))
    eventually(lambda: "eu-central/raw" in server_system.objects_of(photo["id"]), READY_S)
    ana.client.delete(photo["id"])
    eventually(lambda: not server_system.objects_of(photo["id"]), READY_S)
    for url in server_system.edges.values():
        with pytest.raises(ClientError) as refused:
            ana.client.image(f"{url}{image_path(photo, 320)}")
        assert refused.value.status == 404


def test_a_large_photo_is_uploaded_in_parts(ana):
    """Straight to S3, by presigned URLs."""
    file = io.BytesIO()
    Image.effect_noise((4000, 3000), 60).convert("RGB").save(file, "JPEG", quality=92)
    assert file.tell() > 5 * 1024 * 1024
    photo = ready(ana, file.getvalue())
    assert (photo["width"], photo["height"]) == (4000, 3000)


def test_a_text_called_a_photo_fails_with_a_reason(ana):
    """As on the embedded stores."""
    photo_id = ana.client.upload(b"\xff\xd8\xff but no more of a JPEG than this")
    with pytest.raises(PhotoRejected) as refused:
        ana.client.wait_until_ready(photo_id, READY_S)
    assert refused.value.document["status"] == "failed"
    assert refused.value.document["reason"]["code"]


def test_likes_and_comments_are_stored(ana, bob, draw):
    """In Cassandra, in the photo's home region."""
    photo = ready(ana, draw(5))
    bob.client.like(photo["id"])
    comment = bob.client.comment(photo["id"], "How blue!")
    assert ana.client.likes(photo["id"])["items"] == [bob.id]
    assert ana.client.comments(photo["id"])["items"] == [comment]


def test_an_account_and_a_comment_lie_in_the_second_region(server_system, ana, bob, draw, eventually):
    """By way of Kafka, in the Cassandra of the other region of the Union; and the comment goes with its photo."""
    photo = ready(ana, draw(7))
    comment = ana.client.comment(photo["id"], "How blue!")
    loaded = config.load(server_system.data / TOPOLOGY, os.environ)
    with closing(config.open_catalog(loaded, "eu-central")) as second:

        def kept(kind: str, about: str) -> set[str]:
            return {one.part for one in all_copies(second, "eu-west", kind) if one.about == about}

        eventually(lambda: kept("user", ana.id) and kept("credentials", ana.id), READY_S)
        eventually(lambda: kept("comment", photo["id"]) == {comment["id"]}, READY_S)
        ana.client.delete(photo["id"])
        eventually(lambda: not kept("comment", photo["id"]), READY_S)


def test_an_emptied_redis_is_refilled_from_the_catalogs(server_system, ana, bob, draw, eventually):
    """Photos of authors in the reader's region and in another one reappear when the feed is read."""
    carl = server_system.person("Carl", "US", "chicago")
    for author in (ana, carl):
        bob.client.follow(bob.id, author.id)
    photo_ids = {ready(author, draw(6))["id"] for author in (ana, carl)}
    eventually(lambda: photo_ids <= set(bob.feed_ids()), READY_S)
    host, _, port = os.environ["DARKROOM_TEST_REDIS"].partition(":")
    with redis.Redis(host, int(port)) as client:
        client.flushall()
    eventually(lambda: photo_ids <= set(bob.feed_ids()), READY_S)
    feed = bob.feed_ids()
    assert len(feed) == len(set(feed))
