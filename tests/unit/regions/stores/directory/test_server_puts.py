"""How the object server receives whole objects, in whatever way they arrive."""

import hashlib
import io
import random
import socket
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest
import urllib3

from regions.image_limits import MAX_RAW_BYTES
from regions.stores.objects import VARIANTS, SignedPut
from tests.builders.objects import put, whole
from tests.builders.stores import directory_objects

PHOTO = b"a photo of the harbour"


def encoded(server, signed: SignedPut, body: bytes = PHOTO, **headers: str | None) -> bytes:
    return server.encode("PUT", signed.url, body, {**signed.headers, **headers})


def is_absent(server, key: str) -> bool:
    """Neither stored nor left behind."""
    return server.store.info(VARIANTS, key) is None and server.unfinished_files() == []


def test_an_object_sent_whole_is_stored(server, key):
    """200, with the ETag by which it is served."""
    response = server.exchange("PUT", [encoded(server, server.signed_put(key, PHOTO))])
    assert (response.status, response.headers["ETag"]) == (200, f'"{hashlib.sha256(PHOTO).hexdigest()}"')
    assert whole(server.store, VARIANTS, key) == PHOTO


def test_an_object_sent_byte_by_byte_is_stored(server, key):
    """However the network splits it."""
    request = encoded(server, server.signed_put(key, PHOTO))
    assert server.exchange("PUT", (request[at : at + 1] for at in range(len(request)))).status == 200


def test_the_largest_object_is_stored(server, key):
    """Many times larger than a part. It goes through files, not through memory."""
    data = random.Random(7).randbytes(1 << 20) * (MAX_RAW_BYTES >> 20)
    request = io.BytesIO(encoded(server, server.signed_put(key, data), data))
    assert server.exchange("PUT", iter(lambda: request.read(1 << 20), b"")).status == 200
    assert server.store.info(VARIANTS, key).size_bytes == MAX_RAW_BYTES
    assert server.unfinished_files() == []


def test_a_lane_may_stream_an_object(server, key):
    """With urllib3, from an iterator whose length it knows."""
    data = random.Random(8).randbytes(3_000_000)
    signed = server.signed_put(key, data)
    url = urlsplit(signed.url)._replace(netloc="{}:{}".format(*server.address)).geturl()
    source, headers = io.BytesIO(data), {**signed.headers, "Content-Length": str(len(data))}
    pieces = iter(lambda: source.read(65_536), b"")
    assert urllib3.request("PUT", url, body=pieces, headers=headers, retries=False, timeout=20).status == 200
    assert whole(server.store, VARIANTS, key) == data


@pytest.mark.parametrize("missing_bytes", [1, len(PHOTO) - 1, len(PHOTO)])
def test_an_object_cut_off_leaves_no_trace(server, key, missing_bytes):
    """The connection is closed. The URL is still good."""
    request = encoded(server, server.signed_put(key, PHOTO))
    with server.connect() as connection:
        connection.send(request[:-missing_bytes])
        connection.socket.shutdown(socket.SHUT_WR)
        assert connection.read() == b""
    assert is_absent(server, key)
    assert server.exchange("PUT", [request]).status == 200


def test_bytes_after_an_object_do_not_belong_to_it(server, key):
    """A second request, sent together with the first, is not taken: the response to the first ends the connection."""
    with server.connect() as connection:
        connection.send(encoded(server, server.signed_put(key, PHOTO)) + server.encode("GET", "/health"))
        response = connection.response("PUT")
    assert (response.status, response.headers["Connection"]) == (200, "close")
    assert whole(server.store, VARIANTS, key) == PHOTO


def test_other_bytes_leave_no_trace(server, key):
    """400, as S3 answers, and a problem document that names both hashes."""
    response = server.exchange("PUT", [encoded(server, server.signed_put(key, PHOTO), PHOTO[::-1])])
    assert response.status == response.problem()["status"] == 400
    assert hashlib.sha256(PHOTO).hexdigest() in response.problem()["detail"]
    assert is_absent(server, key)


@pytest.mark.parametrize(("data", "status"), [(PHOTO + b"!", 413), (PHOTO[1:], 400), (b"", 400)])
def test_an_object_of_another_length_is_rejected(server, key, data, status):
    """Too long, too short, and empty."""
    response = server.exchange("PUT", [encoded(server, server.signed_put(key, PHOTO), data)])
    assert response.status == response.problem()["status"] == status
    assert is_absent(server, key)


def test_an_object_of_unknown_length_is_rejected(server, key):
    """411."""
    request = encoded(server, server.signed_put(key, PHOTO), b"", **{"Content-Length": None})
    assert server.exchange("PUT", [request]).status == 411
    assert is_absent(server, key)


@pytest.mark.parametrize("name", ["Content-Type", "Cache-Control", "If-None-Match"])
def test_a_header_sent_twice_is_rejected(server, key, name):
    """403: together they are another value."""
    signed = server.signed_put(key, PHOTO)
    assert name in signed.headers
    request = encoded(server, signed).replace(b"\r\n", f"\r\n{name}: x\r\n".encode(), 1)
    assert server.exchange("PUT", [request]).status == 403
    assert is_absent(server, key)


def test_an_expired_url_of_an_object_is_reported_as_expired(server, key):
    """403 with the member `expired`. A client that sends first gets it too."""
    data = bytes(5 << 20)
    response = server.exchange("PUT", [encoded(server, server.signed_put(key, data, expires_in_ms=-1), data)])
    assert (response.status, response.problem()["expired"]) == (403, True)
    assert is_absent(server, key)


def test_the_url_of_a_part_does_not_write_an_object(server, upload, key):
    """Nor does that of an object write a part."""
    part, signed = urlsplit(server.part_url(upload, len(PHOTO))), server.signed_put(key, PHOTO)
    object_path, headers = urlsplit(signed.url).path, dict(signed.headers)
    assert server.request("PUT", f"{object_path}?{part.query}", PHOTO, **headers).status == 403
    assert server.request("PUT", f"{part.path}?{urlsplit(signed.url).query}", PHOTO, **headers).status == 403
    assert is_absent(server, key)
    assert server.parts(upload) == []


def test_senders_at_the_same_time_write_one_object(server, key):
    """One gets 200, and the others 412, although all of them have sent it whole."""
    data = random.Random(9).randbytes(1 << 20)
    request = encoded(server, server.signed_put(key, data), data)
    with ThreadPoolExecutor(8) as senders:
        statuses = sorted(senders.map(lambda _: server.exchange("PUT", [request]).status, range(8)))
    assert statuses == [200] + [412] * 7
    assert whole(server.store, VARIANTS, key) == data


def test_a_put_of_our_own_during_an_arrival_stays(server, key):
    """The arrival is whole, and finds at the end that there is an object."""
    request = encoded(server, server.signed_put(key, PHOTO))
    with server.connect() as connection:
        connection.send(request[:-1])
        info = put(server.store, key, b"our own")
        connection.send(request[-1:])
        assert connection.response("PUT").status == 412
    assert server.store.info(VARIANTS, key) == info


def test_an_acknowledged_object_survives_a_kill(patient_server):
    """And one that is arriving at that moment leaves nothing."""
    signed, other = patient_server.signed_put("ab/p", PHOTO), patient_server.signed_put("ab/q", PHOTO)
    with patient_server.connect() as connection:
        connection.send(encoded(patient_server, other)[:-1])
        assert patient_server.exchange("PUT", [encoded(patient_server, signed)]).status == 200
        patient_server.process.kill()
        patient_server.process.wait()
    store = directory_objects(str(patient_server.root), "http://object-server", b"secret")
    assert whole(store, VARIANTS, "ab/p") == PHOTO
    assert store.info(VARIANTS, "ab/p").sha256 == hashlib.sha256(PHOTO).hexdigest()
    assert [info.key for info in store.list(VARIANTS)] == ["ab/p"]
    assert patient_server.unfinished_files() == []
