"""What every adapter of the objects port promises of whole objects. Uploads and URLs stand in files of their own."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from regions.errors import BadRequest, NotFound, Unprocessable
from regions.stores.objects import CHUNK_BYTES, IMMUTABLE, RAW, VARIANTS, raw_key, variant_key, variant_prefix
from tests.builders.objects import grain, keys, put, sha256, whole

PHOTO = "p_00000000abc"
KEY = raw_key(PHOTO)


def test_what_was_put_is_there(objects):
    """Its bytes, and all that was said of them."""
    info = put(objects, variant_key(PHOTO, 320), b"a small photo")
    assert whole(objects, VARIANTS, variant_key(PHOTO, 320)) == b"a small photo"
    assert objects.info(VARIANTS, variant_key(PHOTO, 320)) == info
    assert (info.size_bytes, info.sha256, info.content_type) == (13, sha256(b"a small photo"), "image/jpeg")
    assert info.cache_control == IMMUTABLE


def test_another_handle_sees_it(objects, open_objects):
    """What one process stored, another finds."""
    info = put(objects, KEY, b"a photo")
    assert open_objects().info(VARIANTS, KEY) == info


def test_large_objects_come_in_bounded_chunks(objects):
    """More than one chunk, none over the limit, and together the whole."""
    data = grain(2 * CHUNK_BYTES + 17)
    put(objects, KEY, data)
    with objects.open(VARIANTS, KEY) as chunks:
        taken = list(chunks)
    assert max(map(len, taken)) <= CHUNK_BYTES
    assert b"".join(taken) == data


def test_an_object_may_be_empty(objects):
    """No bytes are bytes too."""
    put(objects, KEY, b"")
    assert whole(objects, VARIANTS, KEY) == b""
    assert objects.info(VARIANTS, KEY).size_bytes == 0


def test_bytes_with_another_hash_are_refused(objects):
    """Nothing is stored then."""
    with pytest.raises(Unprocessable):
        objects.put(VARIANTS, KEY, [b"other bytes"], sha256(b"these bytes"), "image/jpeg")
    assert objects.info(VARIANTS, KEY) is None
    assert keys(objects, VARIANTS) == []


def test_a_wrong_hash_leaves_the_object_before_it(objects):
    """A refused put changes nothing."""
    put(objects, KEY, b"the first")
    with pytest.raises(Unprocessable):
        objects.put(VARIANTS, KEY, [b"the second"], sha256(b"another"), "image/jpeg")
    assert whole(objects, VARIANTS, KEY) == b"the first"


def test_a_source_that_breaks_off_leaves_nothing(objects):
    """The error is the source's own."""

    def breaks_off():
        yield b"half a photo"
        raise ConnectionResetError("the source died")

    with pytest.raises(ConnectionResetError):
        objects.put(VARIANTS, KEY, breaks_off(), sha256(b"half a photo"), "image/jpeg")
    assert objects.info(VARIANTS, KEY) is None


def test_an_object_can_be_replaced(objects):
    """By longer bytes and by other bytes of the same length."""
    for data in (b"the first", b"something longer", b"something l0nger"):
        put(objects, KEY, data)
        assert whole(objects, VARIANTS, KEY) == data
        assert objects.info(VARIANTS, KEY).sha256 == sha256(data)


def test_a_reader_goes_on_while_the_object_is_replaced(objects):
    """Whoever opened it gets the bytes it was opened on."""
    data = grain(2 * CHUNK_BYTES)
    put(objects, KEY, data)
    with objects.open(VARIANTS, KEY) as chunks:
        first = next(chunks)
        put(objects, KEY, b"new")
        assert first + b"".join(chunks) == data


def test_writers_at_the_same_time_leave_one_whole_object(objects, open_objects):
    """Whoever looks meanwhile finds one of them, with its own hash."""
    candidates = [grain(100_000, seed) for seed in range(6)]
    put(objects, KEY, candidates[0])
    with ThreadPoolExecutor(3) as threads:
        writes = [threads.submit(put, open_objects(), KEY, data) for data in candidates]
        while not all(write.done() for write in writes):
            assert sha256(whole(objects, VARIANTS, KEY)) in {sha256(data) for data in candidates}
            assert objects.info(VARIANTS, KEY) is not None
    for write in writes:
        write.result()
    assert objects.info(VARIANTS, KEY).sha256 == sha256(whole(objects, VARIANTS, KEY))


def test_a_deleted_object_is_gone(objects):
    """For every way of asking; and deleting it again is no error."""
    put(objects, KEY, b"a photo")
    objects.delete(VARIANTS, KEY)
    objects.delete(VARIANTS, KEY)
    assert objects.info(VARIANTS, KEY) is None
    assert keys(objects, VARIANTS) == []
    with pytest.raises(NotFound), objects.open(VARIANTS, KEY):
        pass


def test_a_deleted_object_can_come_back(objects):
    """A name is not used up."""
    put(objects, variant_key(PHOTO, 150), b"a photo")
    objects.delete(VARIANTS, variant_key(PHOTO, 150))
    put(objects, variant_key(PHOTO, 150), b"again")
    assert whole(objects, VARIANTS, variant_key(PHOTO, 150)) == b"again"


def test_what_never_was_is_not_found(objects):
    """No info, nothing to open."""
    assert objects.info(RAW, KEY) is None
    with pytest.raises(NotFound), objects.open(RAW, KEY):
        pass


def test_buckets_are_apart(objects):
    """The same key in another bucket is another object."""
    put(objects, KEY, b"a variant", VARIANTS)
    assert objects.info(RAW, KEY) is None
    assert keys(objects, RAW) == []


def test_a_list_has_every_object_under_a_prefix(objects):
    """With its size, and no neighbour."""
    other = "p_00000000xyz"
    for key in (variant_key(PHOTO, 150), variant_key(PHOTO, 320), variant_key(other, 150)):
        put(objects, key, key.encode())
    assert keys(objects, VARIANTS, variant_prefix(PHOTO)) == [variant_key(PHOTO, 150), variant_key(PHOTO, 320)]
    assert len(keys(objects, VARIANTS)) == 3
    assert {info.size_bytes for info in objects.list(VARIANTS)} == {len(variant_key(PHOTO, 150))}


def test_a_prefix_need_not_end_a_name(objects):
    """As in S3, it is the beginning of a text."""
    put(objects, "ab/p_1/150.jpg", b"x")
    put(objects, "ab/p_2/150.jpg", b"x")
    assert keys(objects, VARIANTS, "ab/p") == ["ab/p_1/150.jpg", "ab/p_2/150.jpg"]
    assert keys(objects, VARIANTS, "ab/p_1") == ["ab/p_1/150.jpg"]
    assert keys(objects, VARIANTS, "ac/") == []


@pytest.mark.parametrize(
    "key",
    ["../raw/secret", "ab/../../secret", "/etc/passwd", "ab//p", "ab/.hidden", "..", "", "ab/p_1/", "a~b", "a\0b", "é"],
)
def test_a_key_that_plays_tricks_is_refused(objects, key):
    """Whatever is done with it, and nothing is stored."""
    for trick in (
        lambda: put(objects, key, b"x"),
        lambda: objects.create_upload(RAW, key),
        lambda: objects.info(RAW, key),
        lambda: objects.delete(RAW, key),
        lambda: objects.sign_get(RAW, key, 1),
        lambda: objects.open(RAW, key).__enter__(),
    ):
        with pytest.raises(BadRequest):
            trick()
    assert keys(objects, VARIANTS) == keys(objects, RAW) == []


def test_there_are_two_buckets_only(objects):
    """Another name is refused, and so is a path."""
    for bucket in ("photos", "../raw", ""):
        with pytest.raises(BadRequest):
            put(objects, KEY, b"x", bucket)
