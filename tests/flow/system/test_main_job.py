"""From a photo on disk to a follower's feed in another region, through real processes."""

import hashlib
import io
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageStat

from darkroom.client.client import Client, ClientError, PhotoRejected
from tests.builders.image_paths import image_path

EU_FOLDERS = ("regions/eu-west/", "regions/eu-central/", "edges/lisbon/", "edges/frankfurt/")


@pytest.fixture
def ana(system):
    return system.person("Ana", "PT", "lisbon")


@pytest.fixture
def bob(system):
    return system.person("Bob", "US", "chicago")


def variants_in(system, photo_id: str, folder: str) -> set[str]:
    return {
        path.stem
        for path in system.files_of(photo_id)
        if path.suffix == ".jpg" and path.as_posix().startswith(f"regions/{folder}/objects/variants/")
    }


def has_raw(system, photo_id: str, folder: str) -> bool:
    prefix = f"regions/{folder}/objects/raw/"
    return any(path.as_posix().startswith(prefix) for path in system.files_of(photo_id))


def image_of(photo: dict, size: str = "320") -> Image.Image:
    data, _ = Client("http://unused").image(photo["variants"][size])
    return Image.open(io.BytesIO(data))


def test_the_policy_decides_the_home_region(system, ana, bob):
    """Portugal's is eu-west and the United States' is us-central, through whichever edge a person signs up."""
    carla = system.person("Carla", "DE", "sydney")
    assert (ana.home_region, carla.home_region, bob.home_region) == ("eu-west", "eu-central", "us-central")


def test_a_photo_reaches_a_follower_across_the_ocean(system, ana, bob, draw, eventually):
    """Bob in Chicago follows Ana in Lisbon, and sees her photo once, through his own edge."""
    bob.client.follow(bob.id, ana.id)
    photo = ana.upload_ready(draw(1, 1400, 1000), "The harbour")
    eventually(lambda: photo["id"] in bob.feed_ids())
    item = bob.client.feed(bob.id)["items"][0]
    assert (item["id"], item["owner"], item["caption"]) == (photo["id"], ana.id, "The harbour")
    assert all(url.startswith(system.edges["chicago"]) for url in item["variants"].values())
    assert image_of(item, "1080").size == (1080, 771)
    assert bob.feed_ids().count(photo["id"]) == 1


def test_a_new_follower_finds_older_photos(ana, bob, draw, eventually):
    """Photos from before the follow reach the feed too."""
    photo = ana.upload_ready(draw(2))
    bob.client.follow(bob.id, ana.id)
    eventually(lambda: photo["id"] in bob.feed_ids())


def test_a_variant_has_no_personal_metadata(ana, draw):
    """The raw names a camera and a location; a variant has no metadata at all."""
    photo = ana.upload_ready(draw(3, 1400, 1000))
    for size in photo["variants"]:
        data, _ = ana.client.image(photo["variants"][size])
        assert b"Exif" not in data
        assert b"Darkroom Test Camera" not in data
        assert not Image.open(io.BytesIO(data)).getexif()


def test_bytes_of_an_eu_photo_stay_in_the_eu(system, ana, bob, draw, eventually):
    """Both EU regions have all of it; nothing is stored elsewhere, not even at edges that served it."""
    photo = ana.upload_ready(draw(4))
    eventually(lambda: has_raw(system, photo["id"], "eu-central"))
    eventually(lambda: len(variants_in(system, photo["id"], "eu-central")) == 4)
    for edge, url in system.edges.items():
        data, _ = ana.client.image(f"{url}{image_path(photo, 320)}")
        assert data.startswith(b"\xff\xd8"), edge
    files = [path.as_posix() for path in system.files_of(photo["id"])]
    assert any(path.startswith("edges/lisbon/cache/") for path in files)
    assert [path for path in files if not path.startswith(EU_FOLDERS)] == []


def test_nothing_of_an_eu_photo_is_written_outside_the_eu(system, ana, bob, draw, eventually):
    """All files are searched for the bytes and the caption: stores, caches, logs and scratch files, under any name."""
    data, caption = draw(41, 1400, 1000), "Azenhas do Mar, quarter past nine"
    bob.client.follow(bob.id, ana.id)
    photo = ana.upload_ready(data, caption)
    eventually(lambda: photo["id"] in bob.feed_ids())
    variants = [ana.client.image(f"{url}{image_path(photo, 1080)}")[0] for url in system.edges.values()]
    needles = [caption.encode(), *(image[len(image) // 2 :][:64] for image in (data, *variants))]
    found = [path.as_posix() for path in system.files_with(needles)]
    assert any(path.startswith("regions/eu-west/") for path in found)
    assert [path for path in found if not path.startswith(EU_FOLDERS)] == []


def test_bytes_of_a_us_photo_are_stored_where_its_class_allows(system, bob, draw, eventually):
    """A rule of the policy excludes the raw from eu-west; variants are stored in every region."""
    photo = bob.upload_ready(draw(5))
    eventually(lambda: has_raw(system, photo["id"], "eu-central"))
    for region in ("us-central", "eu-west", "eu-central"):
        eventually(lambda region=region: len(variants_in(system, photo["id"], region)) == 4)
    assert has_raw(system, photo["id"], "us-central")
    assert not has_raw(system, photo["id"], "eu-west")


def test_copies_have_the_same_bytes(system, ana, draw, eventually):
    """Every copy of an object has the same SHA-256 as the upload."""
    data = draw(6)
    photo = ana.upload_ready(data)
    eventually(lambda: has_raw(system, photo["id"], "eu-central"))
    raws = [path for path in system.files_of(photo["id"]) if path.name == photo["id"]]
    assert len(raws) == 2
    sums = {hashlib.sha256((system.data / path).read_bytes()).hexdigest() for path in raws}
    assert sums == {hashlib.sha256(data).hexdigest()}


def test_a_deleted_photo_is_gone_everywhere(system, ana, bob, draw, eventually):
    """No edge serves it, no feed lists it, and no folder has a byte of it."""
    bob.client.follow(bob.id, ana.id)
    photo = ana.upload_ready(draw(7))
    eventually(lambda: photo["id"] in bob.feed_ids())
    eventually(lambda: has_raw(system, photo["id"], "eu-central"))
    for url in system.edges.values():
        ana.client.image(f"{url}{image_path(photo, 320)}")
    ana.client.delete(photo["id"])
    eventually(lambda: not system.files_of(photo["id"]), explain=lambda: str(system.files_of(photo["id"])))
    for url in system.edges.values():
        with pytest.raises(ClientError) as refused:
            ana.client.image(f"{url}{image_path(photo, 320)}")
        assert refused.value.status == 404
    eventually(lambda: photo["id"] not in bob.feed_ids())


def test_a_large_photo_is_uploaded_in_parts(ana, draw):
    """Over 5 MB there are several parts, and the image is complete."""
    noise = Image.effect_noise((4000, 3000), 60).convert("RGB")
    file = io.BytesIO()
    noise.save(file, "JPEG", quality=92)
    assert file.tell() > 5 * 1024 * 1024
    photo = ana.upload_ready(file.getvalue())
    assert (photo["width"], photo["height"]) == (4000, 3000)


def test_a_second_request_is_served_from_the_edges_cache(ana, draw):
    """The first is a miss and is cached, the second is a hit (RFC 9211)."""
    photo = ana.upload_ready(draw(8))
    _, first = ana.client.image(photo["variants"]["640"])
    _, second = ana.client.image(photo["variants"]["640"])
    assert "fwd=" in first["Cache-Status"]
    assert "lisbon; hit" in second["Cache-Status"]


def test_likes_and_comments_cross_the_ocean(ana, bob, draw):
    """They are stored in the home region of the photo, not of their author."""
    photo = ana.upload_ready(draw(9))
    bob.client.like(photo["id"])
    comment = bob.client.comment(photo["id"], "How blue!")
    assert ana.client.likes(photo["id"])["items"] == [bob.id]
    assert ana.client.comments(photo["id"])["items"] == [comment]


@pytest.mark.parametrize("kind", ["landscape", "portrait"])
def test_every_orientation_becomes_upright(system, photo_folder, kind):
    """Within a set, the 320 px variants of all nine orientations differ by under 2 grey levels on average.

    Each file was compressed separately, so single ones differ by a little more. A wrongly rotated one differs by over
    20.
    """
    owner = system.person("Ines", "PT", "lisbon")
    paths = sorted(photo_folder.glob(f"{kind}_*.jpg"))
    assert len(paths) == 9
    with ThreadPoolExecutor(4) as threads:
        photo_ids = list(threads.map(owner.client.upload, paths))
    images = [image_of(owner.client.wait_until_ready(photo_id)).convert("L") for photo_id in photo_ids]
    assert {image.size for image in images} == {images[0].size}
    differences = [ImageStat.Stat(ImageChops.difference(image, images[0])).mean[0] for image in images[1:]]
    assert sum(differences) / len(differences) < 2
    assert max(differences) < 3


def huge_header() -> bytes:
    """A JPEG whose frame header claims 65,500 × 65,500 px, the largest size in the format."""
    file = io.BytesIO()
    Image.new("RGB", (16, 16)).save(file, "JPEG")
    data = bytearray(file.getvalue())
    start = data.index(b"\xff\xc0") + 5
    data[start : start + 4] = (65_500).to_bytes(2, "big") * 2
    return bytes(data)


def huge_png_header() -> bytes:
    """A PNG whose header claims 100,000 × 100,000 px."""
    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda draw: b"To whom it may concern: this is a text.", "not-an-image"),
        (lambda draw: draw(10, 1400, 1000)[:20_000], "truncated"),
        (lambda draw: huge_header(), "too-many-pixels"),
        (lambda draw: huge_png_header(), "too-many-pixels"),
    ],
    ids=["text", "truncated", "huge-jpeg-header", "huge-png-header"],
)
def test_a_file_that_is_not_a_photo_fails_with_a_reason(system, ana, draw, tmp_path, make, code):
    """The file is called .jpg. Its photo becomes `failed`, gives the reason, and leaves no variant."""
    path = tmp_path / "holiday.jpg"
    path.write_bytes(make(draw))
    photo_id = ana.client.upload(path)
    with pytest.raises(PhotoRejected) as refused:
        ana.client.wait_until_ready(photo_id, 60)
    assert refused.value.document["status"] == "failed"
    assert refused.value.document["reason"]["code"] == code
    assert variants_in(system, photo_id, ana.home_region) == set()


def test_everything_that_is_stored_is_for_its_user_only(system, ana, draw):
    """Databases, objects, cached images, keys and logs: nobody else on the machine can read them."""
    photo = ana.upload_ready(draw(31))
    ana.client.image(photo["variants"]["640"])
    stored = [path for path in system.data.rglob("*") if path.is_file() and path.name != "up.log"]
    assert {path.suffix for path in stored} >= {".db", ".jpg", ".log", ".pem"}
    assert [path for path in stored if others_may_read(path)] == []


def others_may_read(path: Path) -> bool:
    """False for a scratch file that has gone since it was listed."""
    with suppress(FileNotFoundError):
        return bool(path.stat().st_mode & 0o077)
    return False
