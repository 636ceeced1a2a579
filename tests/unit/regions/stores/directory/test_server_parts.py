"""How the object server receives parts, in whatever way they arrive."""

import hashlib
import io
import random
import select
import socket
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest

from regions.clock import now_ms
from regions.stores.directory.server import ObjectServer
from regions.stores.objects import RAW

PHOTO = b"a photo of the harbour"


def etag(data: bytes) -> str:
    return f'"{hashlib.md5(data).hexdigest()}"'


def trickle(connection: socket.socket) -> None:
    """Sends a byte each tenth of a second, until there is a response."""
    for _ in range(200):
        connection.sendall(b"x")
        if select.select([connection], [], [], 0.1)[0]:
            return
    pytest.fail("the server still reads")


# A part, as it may arrive


def test_a_part_sent_whole_is_stored(server, upload):
    """200, with the ETag of its bytes."""
    response = server.request("PUT", server.part_url(upload, len(PHOTO)), PHOTO)
    assert (response.status, response.headers["ETag"], response.body) == (200, etag(PHOTO), b"")
    assert server.parts(upload) == [len(PHOTO)]


def test_a_part_sent_byte_by_byte_is_stored(server, upload):
    """However the network splits it."""
    whole = server.encode("PUT", server.part_url(upload, len(PHOTO)), PHOTO)
    response = server.exchange("PUT", (whole[at : at + 1] for at in range(len(whole))))
    assert (response.status, response.headers["ETag"]) == (200, etag(PHOTO))


def test_a_large_part_sent_in_pieces_is_stored(server, upload):
    """Five megabytes, split anywhere."""
    data = random.Random(7).randbytes(5 << 20)
    whole = io.BytesIO(server.encode("PUT", server.part_url(upload, len(data)), data))
    response = server.exchange("PUT", iter(lambda: whole.read(65_537), b""))
    assert (response.status, response.headers["ETag"]) == (200, etag(data))


@pytest.mark.parametrize("missing_bytes", [1, len(PHOTO) - 1, len(PHOTO)])
def test_a_part_cut_off_leaves_no_trace(server, upload, missing_bytes):
    """The connection is closed. Nothing of the part stays."""
    with server.connect() as connection:
        connection.send(server.encode("PUT", server.part_url(upload, len(PHOTO)), PHOTO)[:-missing_bytes])
        connection.socket.shutdown(socket.SHUT_WR)
        assert connection.read() == b""
    assert server.parts(upload) == [] == server.unfinished_files()


def test_a_client_that_vanishes_leaves_no_trace(server, upload, eventually):
    """It disconnects within the header or the body."""
    whole = server.encode("PUT", server.part_url(upload, len(PHOTO)), PHOTO)
    for sent in (10, len(whole) - 20, len(whole) - 1):
        with server.connect() as connection:
            connection.send(whole[:sent])
    assert server.exchange("PUT", [whole]).status == 200
    eventually(lambda: server.unfinished_files() == [])
    assert server.parts(upload) == [len(PHOTO)]


def test_bytes_after_a_part_do_not_belong_to_it(server, upload):
    """A second request, sent together with the first, is not taken: the response to the first ends the connection."""
    first = server.encode("PUT", server.part_url(upload, len(PHOTO)), PHOTO)
    second = server.encode("PUT", server.part_url(upload, 4, number=2), b"more")
    with server.connect() as connection:
        connection.send(first + second)
        response = connection.response("PUT")
    assert (response.headers["ETag"], response.headers["Connection"]) == (etag(PHOTO), "close")
    assert server.parts(upload) == [len(PHOTO)]


def test_garbage_after_a_part_does_no_harm(server, upload):
    """The part ends where its length says."""
    response = server.exchange(
        "PUT", [server.encode("PUT", server.part_url(upload, len(PHOTO)), PHOTO) + b"garbage" * 99]
    )
    assert (response.status, response.headers["ETag"]) == (200, etag(PHOTO))
    assert server.parts(upload) == [len(PHOTO)]


# Rejected parts


@pytest.mark.parametrize(("data", "status"), [(PHOTO + b"!", 413), (PHOTO[1:], 400), (b"", 400)])
def test_a_part_of_another_length_is_rejected(server, upload, data, status):
    """Too long, too short, and empty. Nothing of it stays."""
    response = server.request("PUT", server.part_url(upload, len(PHOTO)), data)
    assert response.status == response.problem()["status"] == status
    assert server.parts(upload) == [] == server.unfinished_files()


def test_a_part_of_unknown_length_is_rejected(server, upload):
    """411, also for a chunked body, which is not read."""
    chunked = {"Content-Length": None, "Transfer-Encoding": "chunked"}
    body = b"16\r\n" + PHOTO + b"\r\n0\r\n\r\n"
    assert server.request("PUT", server.part_url(upload, len(PHOTO)), body, **chunked).status == 411
    assert server.request("PUT", server.part_url(upload, len(PHOTO)), b"", **{"Content-Length": None}).status == 411
    assert server.parts(upload) == []


@pytest.mark.parametrize("length", ["-1", "22 bytes", "+22", "2_2"])
def test_a_length_that_is_not_a_number_is_rejected(server, call, upload, length):
    """Even if the web server in front lets it through."""
    assert call(server.store, "PUT", server.part_url(upload, len(PHOTO)), CONTENT_LENGTH=length).status == 400
    assert server.parts(upload) == []


def test_an_expired_url_is_reported_as_expired(server, upload):
    """403 with the member `expired`, so that a client knows to request another URL."""
    response = server.request("PUT", server.part_url(upload, len(PHOTO), expires_in_ms=-1), PHOTO)
    assert (response.status, response.problem()["expired"]) == (403, True)
    assert server.parts(upload) == []


def test_an_altered_url_is_rejected(server, upload):
    """A larger size, a later expiry, another part, another upload."""
    url = server.part_url(upload, len(PHOTO))
    other = server.store.create_upload(RAW, "ab/other")
    changes = [(f"size={len(PHOTO)}", "size=9999999"), ("expires=1", "expires=2"), ("/1?", "/2?"), (upload, other)]
    for old, new in changes:
        assert server.request("PUT", url.replace(old, new), PHOTO).status == 403
    assert server.parts(upload) == server.parts(other) == []


def test_an_upload_that_is_over_is_not_found(server, upload):
    """404, and the part is not stored."""
    url = server.part_url(upload, len(PHOTO))
    server.store.abort_upload(upload)
    assert server.request("PUT", url, PHOTO).status == 404
    assert server.unfinished_files() == []


def test_a_client_that_sends_first_gets_its_rejection(server, upload):
    """Five megabytes to an expired URL: the response arrives, and the connection is not reset."""
    url = server.part_url(upload, 5 << 20, expires_in_ms=-1)
    assert server.request("PUT", url, bytes(5 << 20)).status == 403


def test_a_rejection_does_not_wait_for_the_body(server, upload):
    """A client that announces a terabyte and sends nothing gets its response at once."""
    response = server.request("PUT", server.part_url(upload, len(PHOTO)), b"", **{"Content-Length": str(1 << 40)})
    assert response.status == 413


def test_a_rejected_body_is_not_parsed_as_a_request(server, upload):
    """On a connection that stays open, the next request begins after it."""
    smuggled = server.encode("PUT", server.part_url(upload, len(PHOTO)), PHOTO)
    url = server.part_url(upload, len(smuggled) + 1, number=2)
    with server.connect() as connection:
        connection.send(server.encode("PUT", url, smuggled))
        assert connection.response("PUT").status == 400
        connection.send(server.encode("GET", "/health"))
        assert connection.response("GET").status == 200
    assert server.parts(upload) == []


def test_a_client_that_stops_sending_is_given_up(impatient_server):
    """It gets a response, and nothing stays."""
    upload = impatient_server.store.create_upload(RAW, "ab/p")
    whole = impatient_server.encode("PUT", impatient_server.part_url(upload, len(PHOTO)), PHOTO)
    response = impatient_server.exchange("PUT", [whole[:-1]])
    assert response.status == response.problem()["status"] == 408
    assert impatient_server.parts(upload) == [] == impatient_server.unfinished_files()


def test_a_client_that_trickles_is_given_up(impatient_server):
    """A byte now and then does not occupy a thread for long."""
    upload = impatient_server.store.create_upload(RAW, "ab/p")
    whole = impatient_server.encode("PUT", impatient_server.part_url(upload, 10_000), bytes(10_000))
    with impatient_server.connect() as connection:
        connection.send(whole[:-9_000])
        trickle(connection.socket)
        assert connection.response("PUT").status == 408
    assert impatient_server.parts(upload) == []


# Many senders


def test_senders_leave_threads_for_others(patient_server):
    """More clients than threads send half a part, and as many half a head. A part and an object pass at once."""
    upload = patient_server.store.create_upload(RAW, "ab/p")
    url = patient_server.part_url(upload, len(PHOTO))
    whole = patient_server.encode("PUT", url, PHOTO)
    with ExitStack() as stalled:
        for sent in [whole[:-1], whole[:20]] * 20:
            stalled.enter_context(patient_server.connect()).send(sent)
        assert patient_server.request("PUT", url, PHOTO).status == 200
        assert patient_server.request("GET", patient_server.put("ab/q", PHOTO)).body == PHOTO


def test_a_body_sent_to_a_url_that_is_not_signed_is_not_kept(server, upload):
    """Nor is one of another length. It is read, so that the client reads the response, and thrown away."""
    signed, size_bytes = urlsplit(server.part_url(upload, len(PHOTO))), len(PHOTO)
    application = ObjectServer(server.store, now_ms)
    assert application.takes_body("PUT", signed.path, signed.query, size_bytes)
    assert not application.takes_body("PUT", signed.path, signed.query, size_bytes + 1)
    assert not application.takes_body("PUT", signed.path, signed.query.replace("size=", "size=1"), size_bytes)
    assert not application.takes_body("POST", signed.path, signed.query, size_bytes)
    assert not application.takes_body("PUT", "/health", "", size_bytes)
