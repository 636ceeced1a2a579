"""Copying one object from one real store to another."""

import hashlib
import io

import pytest

from regions.errors import NotFound, Unprocessable
from regions.stores.objects import RAW
from replication.placement import ExpectedObject
from replication.transfer import copy, is_stored

BODY = bytes(range(256)) * 10_000
EXPECTED = ExpectedObject(RAW, "ab/photo", hashlib.sha256(BODY).hexdigest(), len(BODY), "image/jpeg")


@pytest.fixture
def source(regions):
    return regions.stores["eu-west"].objects


@pytest.fixture
def destination(regions):
    return regions.stores["eu-central"].objects


def upload(objects, body: bytes = BODY) -> None:
    """Uploads as a client does, so that the store was not given a SHA-256."""
    multipart_id = objects.create_upload(RAW, EXPECTED.key)
    size = len(body) // 2
    for number, part in ((1, body[:size]), (2, body[size:])):
        objects.write_part(multipart_id, number, io.BytesIO(part), len(part))
    objects.complete_upload(multipart_id, objects.list_parts(multipart_id))


def test_a_copy_is_complete_and_has_the_checksum(source, destination):
    """Even if only the photo's record, and not the source, has the SHA-256 of the upload."""
    upload(source)
    assert copy(source, destination, EXPECTED) == len(BODY)
    assert is_stored(destination, EXPECTED)
    with destination.open(RAW, EXPECTED.key) as chunks:
        assert b"".join(chunks) == BODY


def test_a_second_copy_moves_no_bytes(source, destination):
    """It does not even open the source."""
    upload(source)
    copy(source, destination, EXPECTED)
    source.delete(RAW, EXPECTED.key)
    assert copy(source, destination, EXPECTED) == 0


@pytest.mark.parametrize(
    "body", [BODY[:-1], BODY + b"!", BODY[:-1] + b"!"], ids=["shorter", "longer", "as long but different"]
)
def test_bytes_that_differ_from_the_record_never_become_visible(source, destination, body):
    """The copy fails, and the destination has no object."""
    upload(source, body)
    with pytest.raises(Unprocessable):
        copy(source, destination, EXPECTED)
    assert destination.info(RAW, EXPECTED.key) is None


def test_an_object_that_the_source_does_not_have_is_not_found(source, destination):
    """And the destination has no object."""
    with pytest.raises(NotFound):
        copy(source, destination, EXPECTED)
    assert destination.info(RAW, EXPECTED.key) is None


def test_wrong_bytes_at_the_destination_are_replaced(source, destination):
    """Another object under the same key does not count as the copy."""
    upload(source)
    destination.put(RAW, EXPECTED.key, [b"other"], hashlib.sha256(b"other").hexdigest(), "image/jpeg")
    assert copy(source, destination, EXPECTED) == len(BODY)
    assert is_stored(destination, EXPECTED)
