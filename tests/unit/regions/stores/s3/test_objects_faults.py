"""What the S3 adapter does when the store slows down, breaks connections, loses responses or is down."""

import random
from dataclasses import replace

import pytest
import urllib3

from regions.clock import now_ms
from regions.errors import Unavailable
from regions.stores.objects import CHUNK_BYTES, RAW
from regions.stores.s3.puts import PART_BYTES
from regions.stores.s3.session import TRIES

KEY = "ab/p_00000000abc"
DATA = random.Random(1).randbytes(3 * CHUNK_BYTES + 5)


def test_a_request_is_repeated_when_the_store_asks_to_slow_down(proxied, proxy):
    """After a pause, until it succeeds."""
    proxy.fail("slow down", "slow down")
    proxied.put(KEY, b"a photo")
    assert [request.method for request in proxy.requests] == ["PUT", "PUT", "PUT"]
    assert proxied.whole(KEY) == b"a photo"


def test_a_store_that_always_asks_to_slow_down_is_unavailable(proxied, proxy):
    """After a fixed number of attempts, each with a deadline."""
    proxy.fail(then="slow down")
    with pytest.raises(Unavailable, match="SlowDown"):
        proxied.whole(KEY)
    assert len(proxy.requests) == TRIES


def test_a_put_is_repeated_when_its_response_is_lost(proxied, proxy):
    """Repeating a put does no harm."""
    proxy.fail("lost response")
    proxied.put(KEY, b"a photo")
    assert proxied.whole(KEY) == b"a photo"


@pytest.mark.parametrize("fault", ["lost response", "no upload"])
def test_completing_succeeds_although_its_response_is_lost(proxied, proxy, fault):
    """The second attempt finds the upload as it was, or none; then the object shows that it is completed."""
    objects = proxied.objects
    multipart_id = objects.create_upload(RAW, KEY)
    url = objects.sign_part(multipart_id, 1, 7, now_ms() + 60_000).url
    assert urllib3.request("PUT", url, body=b"a photo", retries=False, timeout=20).status == 200
    parts = objects.list_parts(multipart_id)
    proxy.fail("", fault)
    objects.complete_upload(multipart_id, parts)
    assert [request.method for request in proxy.requests[:2]] == ["GET", "POST"]
    assert proxied.whole(KEY) == b"a photo"


def test_a_large_put_is_unavailable_when_another_process_ends_its_upload(proxied, proxy):
    """For instance because it took so long that it looked stale. The caller may try again."""
    proxy.fail("", "no upload")
    with pytest.raises(Unavailable):
        proxied.put(KEY, bytes(PART_BYTES))
    assert proxied.objects.info(RAW, KEY) is None


def test_a_conditional_put_succeeds_although_its_response_is_lost(proxied, proxy):
    """The second attempt fails its condition, reads the object, and finds that it is the same."""
    store = proxied.opened_as("when_supported", conditional=True)
    proxy.fail("lost response")
    assert store.put(KEY, b"a photo") == store.objects.info(RAW, KEY)


def test_a_broken_read_is_resumed(proxied, proxy):
    """It requests the rest of the same object."""
    proxied.put(KEY, DATA)
    proxy.fail("cut")
    assert proxied.whole(KEY) == DATA
    first, second = proxy.requests
    assert "Range" not in first.headers
    assert second.headers["Range"] == f"bytes={CHUNK_BYTES}-"
    assert second.headers["If-Match"]


def test_a_read_that_breaks_too_often_is_unavailable(proxied, proxy):
    """It raises instead of returning less than the whole object."""
    proxied.put(KEY, b"a photo")
    proxy.fail(then="cut")
    with pytest.raises(Unavailable):
        proxied.whole(KEY)
    assert len(proxy.requests) == 4


@pytest.mark.parametrize("meanwhile", ["replaced", "deleted"])
def test_a_read_is_not_resumed_in_another_object(proxied, proxy, meanwhile):
    """It must not join parts of two objects."""
    proxied.put(KEY, DATA)
    proxy.fail("cut")
    with proxied.objects.open(RAW, KEY) as chunks, pytest.raises(Unavailable, match="changed"):
        for _ in chunks:
            proxied.objects.delete(RAW, KEY)
            if meanwhile == "replaced":
                proxied.put(KEY, DATA[::-1])


def test_a_store_that_ignores_ranges_causes_no_wrong_bytes(proxied, proxy):
    """The whole object is not accepted as its rest."""
    proxied.put(KEY, DATA)
    proxy.fail("cut", "no range")
    with pytest.raises(Unavailable, match="rest"):
        proxied.whole(KEY)


def test_a_large_put_that_fails_midway_is_aborted(proxied, proxy):
    """The part that arrived is removed."""
    proxy.fail("", "", *["lost response"] * TRIES)
    with pytest.raises(Unavailable):
        proxied.put(KEY, bytes(2 * PART_BYTES))
    assert proxied.objects.info(RAW, KEY) is None
    assert proxied.unfinished() == []


def test_every_call_is_unavailable_when_the_store_is_down(proxied):
    """Nothing listens on port 1."""
    service = replace(proxied.address.service, endpoint="http://127.0.0.1:1")
    down = type(proxied)(replace(proxied.address, service=service), proxied.credentials)
    objects, multipart_id = down.objects, f"{RAW}~{KEY}~upload"
    for call in (objects.create_upload, objects.info, objects.delete, lambda *where: objects.open(*where).__enter__()):
        with pytest.raises(Unavailable):
            call(RAW, KEY)
    for call in (
        objects.list_parts,
        objects.abort_upload,
        lambda _: down.put(KEY, b"x"),
        lambda _: list(objects.list(RAW)),
    ):
        with pytest.raises(Unavailable):
            call(multipart_id)
    with pytest.raises(Unavailable):
        down.prepare()
