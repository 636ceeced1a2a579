"""Sending one object from one real store to another's URL."""

import hashlib
import io
import time
from contextlib import suppress
from typing import ClassVar

import pytest

from regions import ids
from regions.border.offers import RAW_NAME, OfferedObject
from regions.clock import now_ms
from regions.config import object_address
from regions.errors import BadGateway, NotFound, Unavailable, Unprocessable
from regions.stores.objects import RAW, SignedPut, raw_key
from replication import transfer
from replication.transfer import Sender
from tests.builders.http import JsonHandler, answering
from tests.builders.objects import image

BODY = bytes(range(256)) * 10_000
PHOTO_ID = ids.to_public(ids.PHOTO, 1 << 30)
KEY = raw_key(PHOTO_ID)
WANTED = OfferedObject(RAW_NAME, hashlib.sha256(BODY).hexdigest(), len(BODY), "image/jpeg")


@pytest.fixture
def source(regions):
    return regions.stores["eu-west"].objects


@pytest.fixture
def destination(regions):
    return regions.stores["eu-central"].objects


@pytest.fixture
def sender(regions):
    return Sender(object_address(regions.config, "eu-central"))


def signed(destination, within_ms: int = 60_000) -> SignedPut:
    return destination.sign_put(RAW, image(KEY, BODY, WANTED.content_type, ""), now_ms() + within_ms)


def upload(objects, body: bytes = BODY) -> None:
    """Uploads as a client does, so that the store was not given a SHA-256."""
    multipart_id = objects.create_upload(RAW, KEY)
    size = len(body) // 2
    for number, part in ((1, body[:size]), (2, body[size:])):
        objects.write_part(multipart_id, number, io.BytesIO(part), len(part))
    objects.complete_upload(multipart_id, objects.list_parts(multipart_id))


def test_a_copy_is_complete_and_has_the_checksum(source, destination, sender):
    """Even if only the photo's record, and not the source, has the SHA-256 of the upload."""
    upload(source)
    sender.send(source, PHOTO_ID, WANTED, signed(destination))
    info = destination.info(RAW, KEY)
    assert (info.sha256, info.size_bytes, info.content_type) == (WANTED.sha256, len(BODY), "image/jpeg")
    with destination.open(RAW, KEY) as chunks:
        assert b"".join(chunks) == BODY


def test_every_byte_is_asked_for_before_it_is_sent(regions, source, destination):
    """In pieces, so that a lane with a limit of bytes never waits for long with an open connection."""
    spent = []

    def spend(n_bytes):
        assert destination.info(RAW, KEY) is None
        spent.append(n_bytes)

    upload(source)
    Sender(object_address(regions.config, "eu-central"), spend).send(source, PHOTO_ID, WANTED, signed(destination))
    assert (sum(spent), max(spent) <= 128 << 10) == (len(BODY), True)


def test_what_another_process_has_brought_meanwhile_is_no_error(source, destination, sender):
    upload(source)
    for _ in range(2):
        sender.send(source, PHOTO_ID, WANTED, signed(destination))
    assert destination.info(RAW, KEY).sha256 == WANTED.sha256


@pytest.mark.parametrize(
    "body", [BODY[:-1], BODY + b"!", BODY[:-1] + b"!"], ids=["shorter", "longer", "as long but different"]
)
def test_bytes_that_differ_from_the_record_never_become_visible(source, destination, sender, body):
    """The copy fails, and the destination has no object."""
    upload(source, body)
    with pytest.raises(Unprocessable):
        sender.send(source, PHOTO_ID, WANTED, signed(destination))
    assert destination.info(RAW, KEY) is None


def test_an_object_that_the_source_does_not_have_is_not_found(source, destination, sender):
    with pytest.raises(NotFound):
        sender.send(source, PHOTO_ID, WANTED, signed(destination))
    assert destination.info(RAW, KEY) is None


def test_a_url_that_has_run_out_is_an_error(source, destination, sender):
    """Its event is tried again, with a new one, and does not stop those behind it."""
    upload(source)
    with pytest.raises(Unprocessable, match="403"):
        sender.send(source, PHOTO_ID, WANTED, signed(destination, within_ms=-1))


class Internal(JsonHandler):
    """Something in this region that another region would like this process to write to."""

    requests: ClassVar[list[str]] = []

    def do_PUT(self):
        self.requests.append(self.path)
        self.send(200, {}, {})


def test_nothing_is_sent_to_anything_but_the_object_in_the_destinations_store(source, regions):
    """Whatever URL it answers, and however parsers of URLs read it: another server, another path, another object."""
    upload(source)
    address_of = object_address(regions.config, "eu-central")
    right = address_of(RAW, KEY)
    store = right.removeprefix("http://").partition("/")[0]
    with answering(Internal) as url:
        internal = url.removeprefix("http://")
        for named in (
            f"{url}/v1/kv/residency", f"http://{internal}\\@{store}/object/{RAW}/{KEY}", f"{right}/../../../v1/kv/a",
            f"http://{store}@{internal}/object/{RAW}/{KEY}", f"http://{internal}#{right}", f"//{internal}/", "", "?",
            address_of(RAW, "aa/p_00000000000"), right.replace("http://", "HTTP://"), f" {right}", f"{right}/",
            f"http://127.0.0.1:99999999/object/{RAW}/{KEY}", "http://[::1/", f"{right}%2e",
        ):  # fmt: skip
            with pytest.raises(BadGateway, match="another URL"):
                Sender(address_of).send(source, PHOTO_ID, WANTED, SignedPut(named, {}))
    assert Internal.requests == []


class Refusing(JsonHandler):
    status = 0

    def do_PUT(self):
        self.body()
        self.send(self.status, {}, {})


@pytest.mark.parametrize(
    ("status", "error"),
    [(400, Unprocessable), (404, Unprocessable), (411, Unprocessable), (413, Unprocessable), (500, Unprocessable),
     (429, Unavailable), (502, Unavailable), (503, Unavailable), (504, Unavailable)],
)  # fmt: skip
def test_only_a_store_that_is_away_is_waited_for(source, monkeypatch, status, error):
    """What is refused for another reason, or by a defect there, would stop the events behind it."""
    upload(source)
    monkeypatch.setattr(Refusing, "status", status)
    with answering(Refusing) as url, pytest.raises(error):
        Sender(lambda bucket, key: f"{url}/x").send(source, PHOTO_ID, WANTED, SignedPut(f"{url}/x", {}))


class DrippingStore(JsonHandler):
    def do_PUT(self):
        self.body()
        with suppress(OSError):
            self.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
            while True:
                self.wfile.write(b"x")
                time.sleep(0.02)


def test_a_store_that_answers_a_byte_now_and_then_is_away(source, monkeypatch):
    """A thread of the lane waits for its answer no longer than for one that does not come."""
    upload(source)
    monkeypatch.setattr(transfer, "_IDLE_S", 0.3)
    began_s = time.monotonic()
    with answering(DrippingStore) as url, pytest.raises(Unavailable):
        Sender(lambda bucket, key: f"{url}/x").send(source, PHOTO_ID, WANTED, SignedPut(f"{url}/x", {}))
    assert time.monotonic() - began_s < 5
