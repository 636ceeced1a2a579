"""What the S3 adapter does when the store slows down, breaks off, loses its answers or is not there at all."""

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


def test_a_store_that_asks_to_slow_down_is_asked_again(proxied, proxy):
    """After a while, and then it succeeds."""
    proxy.fail("slow down", "slow down")
    proxied.put(KEY, b"a photo")
    assert [seen.method for seen in proxy.seen] == ["PUT", "PUT", "PUT"]
    assert proxied.whole(KEY) == b"a photo"


def test_a_store_that_is_always_slow_is_away(proxied, proxy):
    """After a fixed number of tries, each of which has a deadline."""
    proxy.fail(then="slow down")
    with pytest.raises(Unavailable, match="SlowDown"):
        proxied.whole(KEY)
    assert len(proxy.seen) == TRIES


def test_an_answer_that_is_lost_is_asked_for_again(proxied, proxy):
    """A put comes to the same however often it is done."""
    proxy.fail("lost answer")
    proxied.put(KEY, b"a photo")
    assert proxied.whole(KEY) == b"a photo"


@pytest.mark.parametrize("fault", ["lost answer", "over"])
def test_a_finish_whose_answer_is_lost_has_finished(proxied, proxy, fault):
    """The second try finds the upload as it was left, or none; then the object tells."""
    objects = proxied.objects
    multipart_id = objects.create_upload(RAW, KEY)
    url = objects.sign_part(multipart_id, 1, 7, now_ms() + 60_000).url
    assert urllib3.request("PUT", url, body=b"a photo", retries=False, timeout=20).status == 200
    parts = objects.list_parts(multipart_id)
    proxy.fail("", fault)
    objects.complete_upload(multipart_id, parts)
    assert [seen.method for seen in proxy.seen[:2]] == ["GET", "POST"]
    assert proxied.whole(KEY) == b"a photo"


def test_a_large_put_that_another_hand_ends_may_be_tried_again(proxied, proxy):
    """As when it took so long that it looked stale."""
    proxy.fail("", "over")
    with pytest.raises(Unavailable):
        proxied.put(KEY, bytes(PART_BYTES))
    assert proxied.objects.info(RAW, KEY) is None


def test_a_conditional_put_whose_answer_is_lost_has_put(proxied, proxy):
    """The second try is told that something is there, and sees that it is the same."""
    proxied.address = replace(proxied.address, conditional=True)
    proxy.fail("lost answer")
    assert proxied.put(KEY, b"a photo") == proxied.objects.info(RAW, KEY)


def test_a_read_goes_on_where_it_broke(proxied, proxy):
    """It asks for the rest of the same object only."""
    proxied.put(KEY, DATA)
    proxy.fail("cut")
    assert proxied.whole(KEY) == DATA
    first, second = proxy.seen
    assert "Range" not in first.headers
    assert second.headers["Range"] == f"bytes={CHUNK_BYTES}-"
    assert second.headers["If-Match"]


def test_a_read_that_keeps_breaking_ends(proxied, proxy):
    """Rather than handing out less than the whole."""
    proxied.put(KEY, b"a photo")
    proxy.fail(then="cut")
    with pytest.raises(Unavailable):
        proxied.whole(KEY)
    assert len(proxy.seen) == 4


@pytest.mark.parametrize("meanwhile", ["replaced", "deleted"])
def test_a_read_does_not_go_on_in_another_object(proxied, proxy, meanwhile):
    """Half of one and half of another would be neither."""
    proxied.put(KEY, DATA)
    proxy.fail("cut")
    with proxied.objects.open(RAW, KEY) as chunks, pytest.raises(Unavailable, match="changed"):
        for _ in chunks:
            proxied.objects.delete(RAW, KEY)
            if meanwhile == "replaced":
                proxied.put(KEY, DATA[::-1])


def test_a_store_that_knows_no_ranges_gives_no_wrong_bytes(proxied, proxy):
    """The whole object in place of its rest is not taken."""
    proxied.put(KEY, DATA)
    proxy.fail("cut", "no range")
    with pytest.raises(Unavailable, match="rest"):
        proxied.whole(KEY)


def test_a_large_put_that_fails_midway_is_aborted(proxied, proxy):
    """The part that did arrive does not stay."""
    proxy.fail("", "", *["lost answer"] * TRIES)
    with pytest.raises(Unavailable):
        proxied.put(KEY, bytes(2 * PART_BYTES))
    assert proxied.objects.info(RAW, KEY) is None
    assert proxied.unfinished() == []


def test_nobody_there_is_unavailable(proxied):
    """Whatever is asked."""
    service = replace(proxied.address.service, endpoint="http://127.0.0.1:1")
    proxied.address = replace(proxied.address, service=service)
    objects, multipart_id = proxied.objects, f"{RAW}~{KEY}~upload"
    for ask in (objects.create_upload, objects.info, objects.delete, lambda *where: objects.open(*where).__enter__()):
        with pytest.raises(Unavailable):
            ask(RAW, KEY)
    for ask in (
        objects.list_parts,
        objects.abort_upload,
        lambda _: proxied.put(KEY, b"x"),
        lambda _: list(objects.list(RAW)),
    ):
        with pytest.raises(Unavailable):
            ask(multipart_id)
    with pytest.raises(Unavailable):
        proxied.prepare()
