"""What every adapter of the objects port promises of its signed URLs, used as a client uses them: by HTTP."""

from regions.stores.objects import IMMUTABLE, RAW, VARIANTS, variant_key
from tests.builders.objects import grain, put, send, whole
from tests.builders.uploads import KEY, MINUTE_MS, multipart_id, put_part

__all__ = ["multipart_id", "put_part"]

PHOTO = "p_00000000abc"


def other_end(text: str) -> str:
    return text[:-1] + ("1" if text[-1] == "0" else "0")


def altered_urls(url: str) -> list[str]:
    """The URL with one thing changed at a time: the end of its path, and the end of each value in its query."""
    path, _, query = url.partition("?")
    pairs = query.split("&")
    changed = [[*pairs[:at], other_end(pair), *pairs[at + 1 :]] for at, pair in enumerate(pairs)]
    return [f"{other_end(path)}?{query}", *(f"{path}?{'&'.join(pairs)}" for pairs in changed)]


def test_a_part_over_its_size_is_refused(objects, multipart_id, put_part):
    """And leaves no trace."""
    assert 400 <= put_part(multipart_id, 1, b"ten bytes!", size_bytes=9).status < 500
    assert objects.list_parts(multipart_id) == []


def test_a_part_under_its_size_is_refused(objects, multipart_id, put_part):
    """And leaves no trace."""
    assert 400 <= put_part(multipart_id, 1, b"ten bytes!", size_bytes=11).status < 500
    assert objects.list_parts(multipart_id) == []


def test_an_expired_part_url_is_refused(objects, multipart_id, clock):
    """403, and the part has not arrived."""
    signed = objects.sign_part(multipart_id, 1, 7, clock.now_ms() + 1000)
    clock.advance(2000)
    assert send("PUT", signed.url, b"a photo", **signed.headers).status == 403
    assert objects.list_parts(multipart_id) == []


def test_an_altered_part_url_is_refused(objects, multipart_id, clock):
    """Another number, another upload, another time or signature is not what was signed."""
    signed = objects.sign_part(multipart_id, 1, 7, clock.now_ms() + MINUTE_MS)
    for altered in altered_urls(signed.url):
        assert 400 <= send("PUT", altered, b"a photo", **signed.headers).status < 500
    assert objects.list_parts(multipart_id) == []


def test_a_signed_url_gives_the_object(objects, clock):
    """With its length, type and how long it may be kept."""
    put(objects, variant_key(PHOTO, 640), b"a photo")
    answer = send("GET", objects.sign_get(VARIANTS, variant_key(PHOTO, 640), clock.now_ms() + MINUTE_MS))
    assert (answer.status, answer.data) == (200, b"a photo")
    assert answer.headers["Content-Type"] == "image/jpeg"
    assert answer.headers["Cache-Control"] == IMMUTABLE
    assert answer.headers["Content-Length"] == "7"
    assert answer.headers["ETag"]


def test_a_signed_url_gives_a_range(objects, clock):
    """From the beginning, from within, and the end."""
    put(objects, KEY, b"0123456789")
    url = objects.sign_get(VARIANTS, KEY, clock.now_ms() + MINUTE_MS)
    for asked, given in (("0-3", b"0123"), ("4-4", b"4"), ("7-", b"789"), ("-2", b"89"), ("8-99", b"89")):
        answer = send("GET", url, Range=f"bytes={asked}")
        assert (answer.status, answer.data) == (206, given)
        assert answer.headers["Content-Range"].endswith("/10")
    assert send("GET", url, Range="bytes=10-").status == 416


def test_a_finished_upload_can_be_fetched(objects, multipart_id, put_part, clock):
    """What came in by URL goes out by URL."""
    put_part(multipart_id, 1, grain(3000))
    objects.complete_upload(multipart_id, objects.list_parts(multipart_id))
    assert send("GET", objects.sign_get(RAW, KEY, clock.now_ms() + MINUTE_MS)).data == grain(3000)


def test_a_signed_url_of_nothing_is_not_found(objects, clock):
    """Signing asks no store, so the URL finds out."""
    assert send("GET", objects.sign_get(VARIANTS, KEY, clock.now_ms() + MINUTE_MS)).status == 404


def test_an_expired_url_is_refused(objects, clock):
    """403, whatever lies there."""
    put(objects, KEY, b"a photo")
    url = objects.sign_get(VARIANTS, KEY, clock.now_ms() + 1000)
    clock.advance(2000)
    assert send("GET", url).status == 403


def test_an_altered_url_is_refused(objects, clock):
    """One signature opens one object until one moment."""
    put(objects, KEY, b"a photo")
    put(objects, KEY + "b", b"a secret")
    url = objects.sign_get(VARIANTS, KEY, clock.now_ms() + MINUTE_MS)
    for altered in altered_urls(url):
        assert 400 <= send("GET", altered).status < 500


def test_a_url_without_a_signature_is_refused(objects, clock):
    """Nobody reaches an object by its key alone."""
    put(objects, KEY, b"a photo")
    url = objects.sign_get(VARIANTS, KEY, clock.now_ms() + MINUTE_MS)
    assert send("GET", url.partition("?")[0]).status == 403


def test_a_url_for_reading_does_not_write(objects, clock):
    """Nor does one for a part give an object."""
    put(objects, KEY, b"a photo")
    assert 400 <= send("PUT", objects.sign_get(VARIANTS, KEY, clock.now_ms() + MINUTE_MS), b"mine").status < 500
    assert whole(objects, VARIANTS, KEY) == b"a photo"
