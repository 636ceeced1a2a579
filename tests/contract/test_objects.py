"""What every object store does with whole objects. Uploads and URLs have files of their own."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from regions.errors import BadRequest, NotFound, Unprocessable
from regions.stores.objects import CHUNK_BYTES, IMMUTABLE, RAW, VARIANTS, raw_key, variant_key, variant_prefix
from tests.builders.objects import grain, image, keys, put, sha256, whole

PHOTO = "p_00000000abc"
KEY = raw_key(PHOTO)


def test_an_object_is_stored_with_its_metadata(objects):
    """Bytes, size, hash, type and caching."""
    info = put(objects, variant_key(PHOTO, "320.jpg"), b"a small photo")
    assert whole(objects, VARIANTS, variant_key(PHOTO, "320.jpg")) == b"a small photo"
    assert objects.info(VARIANTS, variant_key(PHOTO, "320.jpg")) == info
    assert (info.size_bytes, info.sha256, info.content_type) == (13, sha256(b"a small photo"), "image/jpeg")
    assert info.cache_control == IMMUTABLE


def test_another_handle_reads_what_was_written(objects, open_objects):
    """As another process would."""
    info = put(objects, KEY, b"a photo")
    assert open_objects().info(VARIANTS, KEY) == info


def test_large_objects_are_read_in_bounded_chunks(objects):
    """No chunk is over the limit, and together they are the whole object."""
    data = grain(2 * CHUNK_BYTES + 17)
    put(objects, KEY, data)
    with objects.open(VARIANTS, KEY) as chunks:
        read = list(chunks)
    assert max(map(len, read)) <= CHUNK_BYTES
    assert b"".join(read) == data


def test_an_object_may_be_empty(objects):
    """Its size is 0."""
    put(objects, KEY, b"")
    assert whole(objects, VARIANTS, KEY) == b""
    assert objects.info(VARIANTS, KEY).size_bytes == 0


def test_bytes_with_another_hash_are_rejected(objects):
    """Nothing is stored."""
    with pytest.raises(Unprocessable):
        objects.put(VARIANTS, KEY, [b"other bytes"], sha256(b"these bytes"), "image/jpeg")
    assert objects.info(VARIANTS, KEY) is None
    assert keys(objects, VARIANTS) == []


def test_a_wrong_hash_keeps_the_previous_object(objects):
    """A rejected put changes nothing."""
    put(objects, KEY, b"the first")
    with pytest.raises(Unprocessable):
        objects.put(VARIANTS, KEY, [b"the second"], sha256(b"another"), "image/jpeg")
    assert whole(objects, VARIANTS, KEY) == b"the first"


def test_nothing_is_stored_when_the_source_fails(objects):
    """The source's own error is raised."""

    def breaks_off():
        yield b"half a photo"
        raise ConnectionResetError("the source died")

    with pytest.raises(ConnectionResetError):
        objects.put(VARIANTS, KEY, breaks_off(), sha256(b"half a photo"), "image/jpeg")
    assert objects.info(VARIANTS, KEY) is None


def test_an_object_can_be_replaced(objects):
    """With longer bytes, and with other bytes of the same length."""
    for data in (b"the first", b"something longer", b"something l0nger"):
        put(objects, KEY, data)
        assert whole(objects, VARIANTS, KEY) == data
        assert objects.info(VARIANTS, KEY).sha256 == sha256(data)


def test_a_reader_is_not_disturbed_when_the_object_is_replaced(objects):
    """It reads the bytes of the version that it has opened."""
    data = grain(2 * CHUNK_BYTES)
    put(objects, KEY, data)
    with objects.open(VARIANTS, KEY) as chunks:
        first = next(chunks)
        put(objects, KEY, b"new")
        assert first + b"".join(chunks) == data


def test_writers_at_the_same_time_leave_one_whole_object(objects, open_objects):
    """A reader always finds one of the versions, with its own hash."""
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
    """From info, list and open. Deleting it again is not an error."""
    put(objects, KEY, b"a photo")
    objects.delete(VARIANTS, KEY)
    objects.delete(VARIANTS, KEY)
    assert objects.info(VARIANTS, KEY) is None
    assert keys(objects, VARIANTS) == []
    with pytest.raises(NotFound), objects.open(VARIANTS, KEY):
        pass


def test_a_deleted_object_can_be_stored_again(objects):
    """Under the same key."""
    put(objects, variant_key(PHOTO, "150.jpg"), b"a photo")
    objects.delete(VARIANTS, variant_key(PHOTO, "150.jpg"))
    put(objects, variant_key(PHOTO, "150.jpg"), b"again")
    assert whole(objects, VARIANTS, variant_key(PHOTO, "150.jpg")) == b"again"


def test_an_unknown_object_is_not_found(objects):
    """Its info is None, and opening it raises NotFound."""
    assert objects.info(RAW, KEY) is None
    with pytest.raises(NotFound), objects.open(RAW, KEY):
        pass


def test_buckets_are_separate(objects):
    """The same key in another bucket is another object."""
    put(objects, KEY, b"a variant", VARIANTS)
    assert objects.info(RAW, KEY) is None
    assert keys(objects, RAW) == []


def test_a_list_has_every_object_under_a_prefix(objects):
    """With its size, and without the objects beside it."""
    other = "p_00000000xyz"
    ours = [variant_key(PHOTO, name) for name in ("150.jpg", "150.v2.avif", "320.jpg")]
    for key in (*ours, variant_key(other, "150.jpg")):
        put(objects, key, key.encode())
    assert keys(objects, VARIANTS, variant_prefix(PHOTO)) == ours
    assert len(keys(objects, VARIANTS)) == 4
    assert all(info.size_bytes == len(info.key) for info in objects.list(VARIANTS))


def test_a_prefix_may_end_within_a_name(objects):
    """As in S3, it is any beginning of a key."""
    put(objects, "ab/p_1/150.jpg", b"x")
    put(objects, "ab/p_2/150.jpg", b"x")
    assert keys(objects, VARIANTS, "ab/p") == ["ab/p_1/150.jpg", "ab/p_2/150.jpg"]
    assert keys(objects, VARIANTS, "ab/p_1") == ["ab/p_1/150.jpg"]
    assert keys(objects, VARIANTS, "ac/") == []


@pytest.mark.parametrize(
    "key",
    ["../raw/secret", "ab/../../secret", "/etc/passwd", "ab//p", "ab/.hidden", "..", "", "ab/p_1/", "a~b", "a\0b", "é"],
)
def test_a_malicious_key_is_rejected(objects, key):
    """By every method, and nothing is stored."""
    for call in (
        lambda: put(objects, key, b"x"),
        lambda: objects.create_upload(RAW, key),
        lambda: objects.info(RAW, key),
        lambda: objects.delete(RAW, key),
        lambda: objects.sign_get(RAW, key, 1),
        lambda: objects.sign_put(RAW, image(key, b"x"), 1),
        lambda: objects.open(RAW, key).__enter__(),
    ):
        with pytest.raises(BadRequest):
            call()
    assert keys(objects, VARIANTS) == keys(objects, RAW) == []


def test_there_are_only_two_buckets(objects):
    """Another name is rejected, and so is a path."""
    for bucket in ("photos", "../raw", ""):
        with pytest.raises(BadRequest):
            put(objects, KEY, b"x", bucket)
