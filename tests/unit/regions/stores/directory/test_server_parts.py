"""What the object door does with parts that are sent to it, however they arrive."""

import hashlib
import io
import random
import select
import socket
from contextlib import ExitStack

import pytest

from regions.stores.objects import RAW

PHOTO = b"a photo of the harbour"


def etag(data: bytes) -> str:
    return f'"{hashlib.md5(data).hexdigest()}"'


def trickle(connection: socket.socket) -> None:
    """A byte each tenth of a second, until there is an answer."""
    for _ in range(200):
        connection.sendall(b"x")
        if select.select([connection], [], [], 0.1)[0]:
            return
    pytest.fail("the door still listens")


# A part, as it may arrive


def test_a_part_sent_whole_is_taken(door, upload):
    """200, with the ETag of its bytes."""
    said = door.ask("PUT", door.part_url(upload, len(PHOTO)), PHOTO)
    assert (said.status, said.headers["ETag"], said.body) == (200, etag(PHOTO), b"")
    assert door.parts(upload) == [len(PHOTO)]


def test_a_part_sent_byte_by_byte_is_taken(door, upload):
    """However the network cuts it."""
    whole = door.request("PUT", door.part_url(upload, len(PHOTO)), PHOTO)
    said = door.say("PUT", (whole[at : at + 1] for at in range(len(whole))))
    assert (said.status, said.headers["ETag"]) == (200, etag(PHOTO))


def test_a_large_part_sent_in_pieces_is_taken(door, upload):
    """Five megabytes, cut anywhere."""
    data = random.Random(7).randbytes(5 << 20)
    whole = io.BytesIO(door.request("PUT", door.part_url(upload, len(data)), data))
    said = door.say("PUT", iter(lambda: whole.read(65_537), b""))
    assert (said.status, said.headers["ETag"]) == (200, etag(data))


@pytest.mark.parametrize("missing_bytes", [1, len(PHOTO) - 1, len(PHOTO)])
def test_a_part_cut_off_leaves_no_trace(door, upload, missing_bytes):
    """The client that still listens is told; nothing of the part stays."""
    with door.connect() as connection:
        connection.send(door.request("PUT", door.part_url(upload, len(PHOTO)), PHOTO)[:-missing_bytes])
        connection.socket.shutdown(socket.SHUT_WR)
        said = connection.answer("PUT")
    assert said.status == 400
    assert str(missing_bytes) in said.problem()["detail"]
    assert door.parts(upload) == [] == door.on_their_way()


def test_a_client_that_vanishes_leaves_no_trace(door, upload, eventually):
    """Cut off in its header or in its body, and gone."""
    whole = door.request("PUT", door.part_url(upload, len(PHOTO)), PHOTO)
    for sent in (10, len(whole) - 20, len(whole) - 1):
        with door.connect() as connection:
            connection.send(whole[:sent])
    assert door.say("PUT", [whole]).status == 200
    eventually(lambda: door.on_their_way() == [])
    assert door.parts(upload) == [len(PHOTO)]


def test_what_comes_behind_a_part_is_not_part_of_it(door, upload):
    """A second request sent at once is answered after the first."""
    first = door.request("PUT", door.part_url(upload, len(PHOTO)), PHOTO)
    second = door.request("PUT", door.part_url(upload, 4, number=2), b"more")
    with door.connect() as connection:
        connection.send(first + second)
        assert [connection.answer("PUT").headers["ETag"] for _ in range(2)] == [etag(PHOTO), etag(b"more")]
    assert door.parts(upload) == [len(PHOTO), 4]


def test_garbage_behind_a_part_does_not_harm_it(door, upload):
    """The part is what its length says."""
    said = door.say("PUT", [door.request("PUT", door.part_url(upload, len(PHOTO)), PHOTO) + b"garbage" * 99])
    assert (said.status, said.headers["ETag"]) == (200, etag(PHOTO))
    assert door.parts(upload) == [len(PHOTO)]


# A part that is refused


@pytest.mark.parametrize(("data", "status"), [(PHOTO + b"!", 413), (PHOTO[1:], 400), (b"", 400)])
def test_a_part_of_another_length_is_refused(door, upload, data, status):
    """Over its size, under it, and empty; nothing of it stays."""
    said = door.ask("PUT", door.part_url(upload, len(PHOTO)), data)
    assert said.status == said.problem()["status"] == status
    assert door.parts(upload) == [] == door.on_their_way()


def test_a_part_of_unknown_length_is_refused(door, upload):
    """411, for a body in chunks as well, which is not read."""
    chunked = {"Content-Length": None, "Transfer-Encoding": "chunked"}
    body = b"16\r\n" + PHOTO + b"\r\n0\r\n\r\n"
    assert door.ask("PUT", door.part_url(upload, len(PHOTO)), body, **chunked).status == 411
    assert door.ask("PUT", door.part_url(upload, len(PHOTO)), b"", **{"Content-Length": None}).status == 411
    assert door.parts(upload) == []


@pytest.mark.parametrize("length", ["-1", "22 bytes", "+22", "2_2"])
def test_a_length_that_is_no_number_is_refused(door, call, upload, length):
    """Where the server in front lets it through."""
    assert call(door.store, "PUT", door.part_url(upload, len(PHOTO)), CONTENT_LENGTH=length).status == 400
    assert door.parts(upload) == []


def test_an_expired_url_says_so(door, upload):
    """403 with the member `expired`, so that a client knows to ask for another."""
    said = door.ask("PUT", door.part_url(upload, len(PHOTO), ends_in_ms=-1), PHOTO)
    assert (said.status, said.problem()["expired"]) == (403, True)
    assert door.parts(upload) == []


def test_an_altered_url_is_refused(door, upload):
    """A greater size, a later end, another part, another upload."""
    url = door.part_url(upload, len(PHOTO))
    other = door.store.create_upload(RAW, "ab/other")
    changes = [(f"size={len(PHOTO)}", "size=9999999"), ("expires=1", "expires=2"), ("/1?", "/2?"), (upload, other)]
    for old, new in changes:
        assert door.ask("PUT", url.replace(old, new), PHOTO).status == 403
    assert door.parts(upload) == door.parts(other) == []


def test_an_upload_that_is_over_is_not_found(door, upload):
    """404, and the part is not kept for it."""
    url = door.part_url(upload, len(PHOTO))
    door.store.abort_upload(upload)
    assert door.ask("PUT", url, PHOTO).status == 404
    assert door.on_their_way() == []


def test_a_client_that_sends_first_gets_its_refusal(door, upload):
    """Five megabytes to an expired URL: the answer is heard, and no reset."""
    url = door.part_url(upload, 5 << 20, ends_in_ms=-1)
    assert door.ask("PUT", url, bytes(5 << 20)).status == 403


def test_a_refusal_does_not_wait_for_the_body(door, upload):
    """A client that promises a terabyte and sends nothing is told at once."""
    said = door.ask("PUT", door.part_url(upload, len(PHOTO)), b"", **{"Content-Length": str(1 << 40)})
    assert said.status == 413


def test_a_refused_body_is_not_taken_for_a_request(door, upload):
    """On a kept connection the next request begins behind it."""
    smuggled = door.request("PUT", door.part_url(upload, len(PHOTO)), PHOTO)
    url = door.part_url(upload, len(smuggled) + 1, number=2)
    with door.connect() as connection:
        connection.send(door.request("PUT", url, smuggled) + door.request("GET", "/health"))
        assert connection.answer("PUT").status == 400
        assert connection.answer("GET").status == 200
    assert door.parts(upload) == []


def test_a_client_that_sends_no_more_is_given_up(impatient_door):
    """It is told so, and nothing stays."""
    upload = impatient_door.store.create_upload(RAW, "ab/p")
    whole = impatient_door.request("PUT", impatient_door.part_url(upload, len(PHOTO)), PHOTO)
    said = impatient_door.say("PUT", [whole[:-1]])
    assert said.status == 400
    assert impatient_door.parts(upload) == [] == impatient_door.on_their_way()


def test_a_client_that_trickles_is_given_up(impatient_door):
    """A byte now and then does not hold a thread."""
    upload = impatient_door.store.create_upload(RAW, "ab/p")
    whole = impatient_door.request("PUT", impatient_door.part_url(upload, 10_000), bytes(10_000))
    with impatient_door.connect() as connection:
        connection.send(whole[:-9_000])
        trickle(connection.socket)
        assert connection.answer("PUT").status == 400
    assert impatient_door.parts(upload) == []


# Many who send


@pytest.fixture
def sender(patient_door):
    """The URL of a part, and all but the last byte of its request."""
    url = patient_door.part_url(patient_door.store.create_upload(RAW, "ab/p"), len(PHOTO))
    return url, patient_door.request("PUT", url, PHOTO)[:-1]


def answered(connections: list, count: int) -> list:
    """The first so many that have an answer."""
    for _ in range(300):
        ready = [each for each in connections if select.select([each.socket], [], [], 0)[0]]
        if len(ready) >= count:
            return ready
        select.select([each.socket for each in connections if each not in ready], [], [], 0.1)
    pytest.fail("too few are answered")


def test_those_who_send_leave_threads_for_those_who_read(patient_door, sender, eventually):
    """As many as there are threads send half a part: some are told to come again, and an object is given at once."""
    url, half = sender
    with ExitStack() as stalled:
        connections = [stalled.enter_context(patient_door.connect()) for _ in range(16)]
        for connection in connections:
            connection.send(half)
        refused = answered(connections, 6)
        answers = [connection.answer("PUT") for connection in refused]
        assert {(said.status, said.headers["Retry-After"]) for said in answers} == {(503, "1")}
        assert patient_door.ask("GET", patient_door.kept("ab/q", PHOTO)).body == PHOTO
        assert len(refused) == 6
    eventually(lambda: patient_door.ask("PUT", url, PHOTO).status == 200)


def test_refused_bodies_leave_threads_for_those_who_read(patient_door):
    """What is sent to an expired URL is read to its end for a few only."""
    upload = patient_door.store.create_upload(RAW, "ab/r")
    half = patient_door.request("PUT", patient_door.part_url(upload, len(PHOTO), ends_in_ms=-1), PHOTO)[:-1]
    with ExitStack() as stalled:
        for _ in range(20):
            connection = stalled.enter_context(patient_door.connect())
            connection.send(half)
            assert connection.answer("PUT").status == 403
        assert patient_door.ask("GET", patient_door.kept("ab/q", PHOTO)).body == PHOTO
