"""What the URL of a whole object takes, from whom, and how often. Every refusal leaves the store as it was."""

import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from urllib.parse import urlsplit

import pytest
import urllib3

from regions.errors import BadRequest
from regions.image_limits import MAX_RAW_BYTES
from regions.stores.objects import CHUNK_BYTES, IMMUTABLE, RAW, VARIANTS, Objects, SignedPut
from tests.builders.objects import altered_urls, grain, image, keys, put, send, sha256, whole
from tests.builders.uploads import KEY, MINUTE_MS

PHOTO = b"a photo of the harbour"
OTHER = PHOTO[::-1]

Sign = Callable[..., SignedPut]


@pytest.fixture
def sign(objects: Objects, clock) -> Sign:
    """Signs a put of these bytes as a variant, for a minute."""

    def sign(data: bytes = PHOTO, key: str = KEY, valid_ms: int = MINUTE_MS, bucket: str = VARIANTS) -> SignedPut:
        return objects.sign_put(bucket, image(key, data), clock.now_ms() + valid_ms)

    return sign


def send_put(signed: SignedPut, body: bytes | Iterator[bytes] = PHOTO, **headers: str) -> urllib3.BaseHTTPResponse:
    return send("PUT", signed.url, body, **{**signed.headers, **headers})


def nothing_is_stored(objects: Objects) -> bool:
    return objects.info(VARIANTS, KEY) is None and keys(objects, VARIANTS) == keys(objects, RAW) == []


def test_an_object_that_was_sent_is_stored_as_if_it_had_been_put(objects, open_objects, sign):
    """With its size, hash, type and cache control, for other processes too."""
    assert send_put(sign()).status == 200
    info = open_objects().info(VARIANTS, KEY)
    assert (info.key, info.size_bytes, info.sha256) == (KEY, len(PHOTO), sha256(PHOTO))
    assert (info.content_type, info.cache_control) == ("image/jpeg", IMMUTABLE)
    assert whole(objects, VARIANTS, KEY) == PHOTO
    assert put(objects, KEY, PHOTO) == info


def test_an_original_may_be_sent_without_cache_control(objects, clock):
    """Into the other bucket."""
    signed = objects.sign_put(RAW, image(KEY, PHOTO, "image/heic", ""), clock.now_ms() + MINUTE_MS)
    assert send_put(signed).status == 200
    info = objects.info(RAW, KEY)
    assert (info.sha256, info.content_type, info.cache_control) == (sha256(PHOTO), "image/heic", "")
    assert objects.info(VARIANTS, KEY) is None


def test_an_object_may_be_sent_piece_by_piece(objects, sign):
    """From an iterator, as when it is streamed from another store. It may be larger than a part."""
    data = grain(9 * CHUNK_BYTES + 17)
    pieces = (data[at : at + 99_999] for at in range(0, len(data), 99_999))
    assert send_put(sign(data), pieces, **{"Content-Length": str(len(data))}).status == 200
    assert whole(objects, VARIANTS, KEY) == data
    assert objects.info(VARIANTS, KEY).sha256 == sha256(data)


def test_an_empty_object_may_be_sent(objects, sign):
    assert send_put(sign(b""), b"").status == 200
    assert objects.info(VARIANTS, KEY).size_bytes == 0


def test_what_must_be_sent_does_not_include_the_length(sign):
    """The sender's HTTP client says it."""
    assert "content-length" not in {name.lower() for name in sign().headers}


def test_other_bytes_are_refused(objects, sign):
    """400. The URL is still good for the right ones."""
    signed = sign()
    assert send_put(signed, OTHER).status == 400
    assert nothing_is_stored(objects)
    assert send_put(signed).status == 200


@pytest.mark.parametrize("body", [PHOTO[:-1], PHOTO + b"!", b""], ids=["shorter", "longer", "empty"])
def test_a_body_of_another_length_is_refused(objects, sign, body):
    assert send_put(sign(), body).status in (400, 403, 413)
    assert nothing_is_stored(objects)


def test_a_body_that_is_cut_off_leaves_nothing(objects, sign, eventually):
    """The sender dies in the middle. Another one may use the URL."""
    signed = sign()
    url = urlsplit(signed.url)
    head = {"Host": url.netloc, "Content-Length": str(len(PHOTO)), **signed.headers}
    lines = [f"PUT {url.path}?{url.query} HTTP/1.1", *(f"{name}: {value}" for name, value in head.items()), "", ""]
    with socket.create_connection((url.hostname, url.port), timeout=20) as connection:
        connection.sendall("\r\n".join(lines).encode() + PHOTO[:-1])
        connection.shutdown(socket.SHUT_WR)
        assert b" 200 " not in connection.makefile("rb").readline()
    assert nothing_is_stored(objects)
    assert eventually(lambda: send_put(signed).status == 200)


def test_an_object_is_sent_once(objects, sign):
    """412 for the second, with the same bytes and with others."""
    signed = sign()
    assert send_put(signed).status == 200
    assert send_put(signed).status == 412
    assert send_put(signed, OTHER).status in (400, 412)
    assert whole(objects, VARIANTS, KEY) == PHOTO


def test_an_object_that_is_there_is_not_replaced(objects, sign):
    """412, and it stays as it is."""
    info = put(objects, KEY, b"an earlier photo")
    assert send_put(sign()).status == 412
    assert objects.info(VARIANTS, KEY) == info
    assert whole(objects, VARIANTS, KEY) == b"an earlier photo"


def test_of_several_senders_at_once_one_succeeds(objects, sign):
    """The others get 412, or 409 while it is being written."""
    signed = sign(grain(CHUNK_BYTES))
    with ThreadPoolExecutor(4) as threads:
        statuses = sorted(threads.map(lambda _: send_put(signed, grain(CHUNK_BYTES)).status, range(4)))
    assert statuses[0] == 200
    assert set(statuses[1:]) <= {409, 412}
    assert whole(objects, VARIANTS, KEY) == grain(CHUNK_BYTES)


def test_an_expired_url_takes_nothing(objects, sign, clock):
    """403."""
    signed = sign(valid_ms=1000)
    clock.advance(2100)
    assert send_put(signed).status == 403
    assert nothing_is_stored(objects)


def test_an_altered_url_takes_nothing(objects, sign):
    """Another key, hash, size, time or signature."""
    signed = sign()
    for altered in altered_urls(signed.url):
        assert 400 <= send("PUT", altered, PHOTO, **signed.headers).status < 500
    assert nothing_is_stored(objects)


def test_a_url_is_good_for_one_bucket(objects, sign):
    """Not for the same key in another one."""
    signed, other = sign(), sign(bucket=RAW)
    moved = urlsplit(other.url)._replace(query=urlsplit(signed.url).query).geturl()
    assert send_put(SignedPut(moved, signed.headers)).status == 403
    assert nothing_is_stored(objects)


def test_each_header_that_was_signed_must_be_sent(objects, sign):
    """403 without it, and with another value: another type, say, or without the condition."""
    signed = sign()
    for name in signed.headers:
        rest = {one: value for one, value in signed.headers.items() if one != name}
        for headers in (rest, {**rest, name: "text/html"}):
            assert send("PUT", signed.url, PHOTO, **headers).status in (400, 403)
    assert nothing_is_stored(objects)


def test_a_cache_control_where_none_was_signed_is_refused_or_seen(objects, clock):
    """The one who verifies what was sent finds it in `info`."""
    signed = objects.sign_put(VARIANTS, image(KEY, PHOTO, cache_control=""), clock.now_ms() + MINUTE_MS)
    status = send_put(signed, **{"Cache-Control": "no-cache"}).status
    assert status == 403 or objects.info(VARIANTS, KEY).cache_control == "no-cache"


def test_a_url_for_writing_can_not_read(objects, sign):
    """Nor can one for reading write: see `test_objects_urls`."""
    put(objects, KEY, PHOTO)
    assert send("GET", sign().url).status == 403


@pytest.mark.parametrize(
    "changed",
    [
        {"size_bytes": -1},
        {"size_bytes": MAX_RAW_BYTES + 1},
        {"sha256": ""},
        {"sha256": "0" * 63},
        {"sha256": "A" * 64},
        {"content_type": ""},
        {"content_type": "image/jpeg\r\nx-amz-acl: public-read"},
        {"content_type": "image/jpég"},
        {"content_type": "i" * 201},
        {"cache_control": " public"},
        {"cache_control": "public,  immutable"},
    ],
)
def test_what_no_request_could_say_is_not_signed(objects, changed):
    """It comes from another region, which may send anything."""
    signable = image(KEY, b"x")
    assert objects.sign_put(RAW, signable, 1).url
    with pytest.raises(BadRequest):
        objects.sign_put(RAW, replace(signable, **changed), 1)
