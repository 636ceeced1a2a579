"""What every object store does with multipart uploads, whose parts arrive by HTTP."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from regions.clock import now_ms
from regions.errors import Conflict
from regions.stores.objects import RAW, Part
from tests.builders.objects import grain, keys, whole
from tests.builders.uploads import KEY, MINUTE_MS, multipart_id, put_part

__all__ = ["multipart_id", "put_part"]

PART_BYTES = 5 << 20
"""The smallest part that S3 accepts, except for the last."""


def test_stale_uploads_are_aborted(objects, put_part):
    """After a crash, nobody continues an upload: its parts are removed. A newer upload is left alone."""
    left = objects.create_upload(RAW, KEY)
    put_part(left, 1, b"a part")
    assert objects.abort_stale_uploads(now_ms() - MINUTE_MS) == 0
    assert [part.number for part in objects.list_parts(left)] == [1]
    assert objects.abort_stale_uploads(now_ms() + MINUTE_MS) == 1
    assert objects.list_parts(left) == []
    assert put_part(left, 1, b"a part").status == 404


def test_unfinished_uploads_of_a_key_are_found(objects, put_part):
    """Until they are completed or aborted, and without those of other keys."""
    first, second = objects.create_upload(RAW, KEY), objects.create_upload(RAW, KEY)
    objects.create_upload(RAW, f"{KEY}d")
    assert sorted(objects.list_uploads(RAW, KEY)) == sorted([first, second])
    put_part(first, 1, b"a part")
    objects.complete_upload(first, objects.list_parts(first))
    objects.abort_upload(second)
    assert objects.list_uploads(RAW, KEY) == []


def test_parts_become_an_object(objects, multipart_id, put_part):
    """In the order of their numbers, in whatever order they arrived."""
    first, last = grain(PART_BYTES), b"the rest"
    assert put_part(multipart_id, 2, last).status == put_part(multipart_id, 1, first).status == 200
    objects.complete_upload(multipart_id, objects.list_parts(multipart_id))
    assert whole(objects, RAW, KEY) == first + last
    assert objects.info(RAW, KEY).size_bytes == PART_BYTES + len(last)


def test_an_upload_of_one_part_becomes_an_object(objects, multipart_id, put_part):
    """The usual case: most photos fit into one part."""
    put_part(multipart_id, 1, b"a photo")
    objects.complete_upload(multipart_id, objects.list_parts(multipart_id))
    assert whole(objects, RAW, KEY) == b"a photo"
    assert keys(objects, RAW) == [KEY]


def test_parts_that_arrived_are_listed(objects, multipart_id, put_part):
    """With their number, size, and the ETag that the client got."""
    response = put_part(multipart_id, 3, b"the third")
    (part,) = objects.list_parts(multipart_id)
    assert (part.number, part.size_bytes) == (3, 9)
    assert part.etag.strip('"') == response.headers["ETag"].strip('"')


def test_an_unfinished_upload_is_not_an_object(objects, multipart_id, put_part):
    """It has no info and is not listed."""
    put_part(multipart_id, 1, b"a photo")
    assert objects.info(RAW, KEY) is None
    assert keys(objects, RAW) == []


def test_a_part_sent_again_replaces_the_first(objects, multipart_id, put_part):
    """Whether it is shorter, longer or of the same length: the last one counts."""
    for data in (b"one", b"a longer one", b"b longer one"):
        put_part(multipart_id, 1, data)
        assert [part.size_bytes for part in objects.list_parts(multipart_id)] == [len(data)]
    objects.complete_upload(multipart_id, objects.list_parts(multipart_id))
    assert whole(objects, RAW, KEY) == b"b longer one"


def test_the_same_part_sent_twice_is_one_part(objects, multipart_id, put_part):
    """A client that did not get the response may send it again."""
    put_part(multipart_id, 1, b"a photo")
    put_part(multipart_id, 1, b"a photo")
    assert len(objects.list_parts(multipart_id)) == 1


def test_parts_sent_at_the_same_time_all_arrive(objects, multipart_id, put_part):
    """A client may send several at once."""
    with ThreadPoolExecutor(4) as threads:
        responses = list(threads.map(lambda number: put_part(multipart_id, number, grain(1000, number)), range(1, 9)))
    assert {response.status for response in responses} == {200}
    assert [part.number for part in objects.list_parts(multipart_id)] == list(range(1, 9))


def test_completing_twice_does_no_harm(objects, multipart_id, put_part):
    """The second call does nothing, so that a lost response does no harm."""
    put_part(multipart_id, 1, b"a photo")
    parts = objects.list_parts(multipart_id)
    objects.complete_upload(multipart_id, parts)
    objects.complete_upload(multipart_id, parts)
    assert whole(objects, RAW, KEY) == b"a photo"
    assert objects.list_parts(multipart_id) == []


def test_a_wrong_etag_is_a_conflict(objects, multipart_id, put_part):
    """The upload can still be completed."""
    put_part(multipart_id, 1, b"a photo")
    with pytest.raises(Conflict):
        objects.complete_upload(multipart_id, [Part(1, '"00000000000000000000000000000000"', 7)])
    assert objects.info(RAW, KEY) is None
    objects.complete_upload(multipart_id, objects.list_parts(multipart_id))


@pytest.mark.parametrize("etag", ["../../../raw/ab", '"' + "0" * 31 + '"', "", "*", '"\0"'])
def test_a_malicious_etag_is_a_conflict(objects, multipart_id, put_part, etag):
    """A client may send any text."""
    put_part(multipart_id, 1, b"a photo")
    with pytest.raises(Conflict):
        objects.complete_upload(multipart_id, [Part(1, etag, 7)])


def test_a_missing_part_is_a_conflict(objects, multipart_id, put_part):
    """The other parts do not become an object."""
    put_part(multipart_id, 1, grain(PART_BYTES))
    (arrived,) = objects.list_parts(multipart_id)
    with pytest.raises(Conflict):
        objects.complete_upload(multipart_id, [arrived, Part(2, arrived.etag, 7)])
    assert objects.info(RAW, KEY) is None


def test_no_parts_are_a_conflict(objects, multipart_id):
    """An object needs at least one part."""
    with pytest.raises(Conflict):
        objects.complete_upload(multipart_id, [])


def test_parts_out_of_order_are_a_conflict(objects, multipart_id, put_part):
    """They do not become an object."""
    put_part(multipart_id, 1, grain(PART_BYTES))
    put_part(multipart_id, 2, grain(PART_BYTES, 2))
    with pytest.raises(Conflict):
        objects.complete_upload(multipart_id, objects.list_parts(multipart_id)[::-1])
    assert objects.info(RAW, KEY) is None


def test_an_aborted_upload_has_ended(objects, multipart_id, put_part):
    """Its parts are gone, no more are accepted, and it can't be completed. Aborting again is not an error."""
    put_part(multipart_id, 1, b"a photo")
    parts = objects.list_parts(multipart_id)
    objects.abort_upload(multipart_id)
    objects.abort_upload(multipart_id)
    assert objects.list_parts(multipart_id) == []
    assert put_part(multipart_id, 2, b"late").status == 404
    with pytest.raises(Conflict):
        objects.complete_upload(multipart_id, parts)
    assert objects.info(RAW, KEY) is None


def test_a_part_that_arrives_after_the_completion_is_rejected(objects, multipart_id, put_part):
    """The object is unchanged."""
    put_part(multipart_id, 1, b"a photo")
    objects.complete_upload(multipart_id, objects.list_parts(multipart_id))
    assert put_part(multipart_id, 1, b"another").status == 404
    assert whole(objects, RAW, KEY) == b"a photo"


def test_two_uploads_of_one_key_are_separate(objects, multipart_id, put_part):
    """A part of one is not a part of the other."""
    other = objects.create_upload(RAW, KEY)
    put_part(multipart_id, 1, b"a photo")
    assert objects.list_parts(other) == []
    objects.abort_upload(other)
    assert len(objects.list_parts(multipart_id)) == 1


def test_completing_races_with_a_part(objects, multipart_id, put_part):
    """If the new part arrives first, its ETag is not the given one, and completing is a conflict."""
    put_part(multipart_id, 1, b"the first")
    parts = objects.list_parts(multipart_id)
    late = threading.Thread(target=put_part, args=(multipart_id, 1, b"the other"))
    late.start()
    try:
        objects.complete_upload(multipart_id, parts)
        assert whole(objects, RAW, KEY) == b"the first"
    except Conflict:
        assert objects.info(RAW, KEY) is None
    finally:
        late.join()
