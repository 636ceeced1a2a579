"""What the signed URLs of every object store do when a client uses them, by HTTP."""

from regions.stores.objects import IMMUTABLE, RAW, VARIANTS, variant_key
from tests.builders.objects import altered_urls, grain, put, send, whole
from tests.builders.uploads import KEY, MINUTE_MS, multipart_id, put_part

__all__ = ["multipart_id", "put_part"]

PHOTO = "p_00000000abc"


def test_a_part_over_its_size_is_rejected(objects, multipart_id, put_part):
    """Nothing of it is stored."""
    assert 400 <= put_part(multipart_id, 1, b"ten bytes!", size_bytes=9).status < 500
    assert objects.list_parts(multipart_id) == []


def test_a_part_under_its_size_is_rejected(objects, multipart_id, put_part):
    """Nothing of it is stored."""
    assert 400 <= put_part(multipart_id, 1, b"ten bytes!", size_bytes=11).status < 500
    assert objects.list_parts(multipart_id) == []


def test_an_expired_part_url_is_rejected(objects, multipart_id, clock):
    """With 403, and the part is not stored."""
    signed = objects.sign_part(multipart_id, 1, 7, clock.now_ms() + 1000)
    clock.advance(2000)
    assert send("PUT", signed.url, b"a photo", **signed.headers).status == 403
    assert objects.list_parts(multipart_id) == []


def test_an_altered_part_url_is_rejected(objects, multipart_id, clock):
    """With another number, upload, time or signature."""
    signed = objects.sign_part(multipart_id, 1, 7, clock.now_ms() + MINUTE_MS)
    for altered in altered_urls(signed.url):
        assert 400 <= send("PUT", altered, b"a photo", **signed.headers).status < 500
    assert objects.list_parts(multipart_id) == []


def test_a_signed_url_returns_the_object(objects, clock):
    """With its length, type and cache control."""
    put(objects, variant_key(PHOTO, "640.jpg"), b"a photo")
    response = send("GET", objects.sign_get(VARIANTS, variant_key(PHOTO, "640.jpg"), clock.now_ms() + MINUTE_MS))
    assert (response.status, response.data) == (200, b"a photo")
    assert response.headers["Content-Type"] == "image/jpeg"
    assert response.headers["Cache-Control"] == IMMUTABLE
    assert response.headers["Content-Length"] == "7"
    assert response.headers["ETag"]


def test_a_signed_url_returns_a_range(objects, clock):
    """At the beginning, in the middle, and at the end."""
    put(objects, KEY, b"0123456789")
    url = objects.sign_get(VARIANTS, KEY, clock.now_ms() + MINUTE_MS)
    for requested, expected in (("0-3", b"0123"), ("4-4", b"4"), ("7-", b"789"), ("-2", b"89"), ("8-99", b"89")):
        response = send("GET", url, Range=f"bytes={requested}")
        assert (response.status, response.data) == (206, expected)
        assert response.headers["Content-Range"].endswith("/10")
    assert send("GET", url, Range="bytes=10-").status == 416


def test_a_completed_upload_can_be_fetched(objects, multipart_id, put_part, clock):
    """By a signed URL, like any other object."""
    put_part(multipart_id, 1, grain(3000))
    objects.complete_upload(multipart_id, objects.list_parts(multipart_id))
    assert send("GET", objects.sign_get(RAW, KEY, clock.now_ms() + MINUTE_MS)).data == grain(3000)


def test_the_signed_url_of_a_missing_object_is_not_found(objects, clock):
    """Signing does not check that the object exists."""
    assert send("GET", objects.sign_get(VARIANTS, KEY, clock.now_ms() + MINUTE_MS)).status == 404


def test_an_expired_url_is_rejected(objects, clock):
    """With 403, although the object exists."""
    put(objects, KEY, b"a photo")
    url = objects.sign_get(VARIANTS, KEY, clock.now_ms() + 1000)
    clock.advance(2000)
    assert send("GET", url).status == 403


def test_an_altered_url_is_rejected(objects, clock):
    """A signature is valid for one object, until one time."""
    put(objects, KEY, b"a photo")
    put(objects, KEY + "b", b"a secret")
    url = objects.sign_get(VARIANTS, KEY, clock.now_ms() + MINUTE_MS)
    for altered in altered_urls(url):
        assert 400 <= send("GET", altered).status < 500


def test_a_url_without_a_signature_is_rejected(objects, clock):
    """An object can't be read by its key alone."""
    put(objects, KEY, b"a photo")
    url = objects.sign_get(VARIANTS, KEY, clock.now_ms() + MINUTE_MS)
    assert send("GET", url.partition("?")[0]).status == 403


def test_a_url_for_reading_can_not_write(objects, clock):
    """The object is unchanged."""
    put(objects, KEY, b"a photo")
    assert 400 <= send("PUT", objects.sign_get(VARIANTS, KEY, clock.now_ms() + MINUTE_MS), b"mine").status < 500
    assert whole(objects, VARIANTS, KEY) == b"a photo"
