"""One object from one real store to another."""

import hashlib
import io

import pytest

from regions.errors import NotFound, Unprocessable
from regions.stores.objects import RAW
from replication.placement import ExpectedObject
from replication.transfer import copy, is_there

BODY = bytes(range(256)) * 10_000
EXPECTED = ExpectedObject(RAW, "ab/photo", hashlib.sha256(BODY).hexdigest(), len(BODY), "image/jpeg")


@pytest.fixture
def source(regions):
    return regions.stores["eu-west"].objects


@pytest.fixture
def destination(regions):
    return regions.stores["eu-central"].objects


def upload(objects, body: bytes = BODY) -> None:
    """As a client does, so that the store never saw a SHA-256."""
    multipart_id = objects.create_upload(RAW, EXPECTED.key)
    size = len(body) // 2
    for number, part in ((1, body[:size]), (2, body[size:])):
        objects.write_part(multipart_id, number, io.BytesIO(part), len(part))
    objects.complete_upload(multipart_id, objects.list_parts(multipart_id))


def test_a_copy_is_whole_and_carries_the_sum(source, destination):
    """Of an upload whose sum only the photo's record knows."""
    upload(source)
    assert copy(source, destination, EXPECTED) == len(BODY)
    assert is_there(destination, EXPECTED)
    with destination.open(RAW, EXPECTED.key) as chunks:
        assert b"".join(chunks) == BODY


def test_a_second_copy_moves_nothing(source, destination):
    """It does not even ask the source."""
    upload(source)
    copy(source, destination, EXPECTED)
    source.delete(RAW, EXPECTED.key)
    assert copy(source, destination, EXPECTED) == 0


@pytest.mark.parametrize("body", [BODY[:-1], BODY + b"!", BODY[:-1] + b"!"])
def test_other_bytes_than_those_recorded_are_never_shown(source, destination, body):
    """Shorter, longer, or as long but different."""
    upload(source, body)
    with pytest.raises(Unprocessable):
        copy(source, destination, EXPECTED)
    assert destination.info(RAW, EXPECTED.key) is None


def test_what_the_source_lacks_is_not_found(source, destination):
    """And nothing is made at the destination."""
    with pytest.raises(NotFound):
        copy(source, destination, EXPECTED)
    assert destination.info(RAW, EXPECTED.key) is None


def test_wrong_bytes_at_the_destination_are_replaced(source, destination):
    """Something else that lies under the key is not taken for the copy."""
    upload(source)
    destination.put(RAW, EXPECTED.key, [b"other"], hashlib.sha256(b"other").hexdigest(), "image/jpeg")
    assert copy(source, destination, EXPECTED) == len(BODY)
    assert is_there(destination, EXPECTED)
