"""What the object server serves, to whom, and how it rejects a request."""

import hashlib
import os
import random
from contextlib import ExitStack

import pytest

from regions.clock import now_ms
from regions.stores.directory.signing import Claim, signed_url
from regions.stores.objects import IMMUTABLE, RAW
from tests.builders.stores import directory_objects

PHOTO = b"a photo of the harbour"
SECRET = b"secret"


def test_an_object_is_served_with_its_metadata(server, key):
    """Length, type, how long it may be cached, and a strong ETag: its SHA-256."""
    response = server.request("GET", server.put(key, PHOTO))
    assert (response.status, response.body) == (200, PHOTO)
    assert response.headers["Content-Type"] == "image/jpeg"
    assert response.headers["Content-Length"] == str(len(PHOTO))
    assert response.headers["Cache-Control"] == IMMUTABLE
    assert response.headers["ETag"] == f'"{hashlib.sha256(PHOTO).hexdigest()}"'
    assert response.headers["Accept-Ranges"] == "bytes"


def test_head_responds_alike_without_the_bytes(server, key):
    """With the URL of the GET."""
    url = server.put(key, PHOTO)
    got, headed = server.request("GET", url), server.request("HEAD", url)
    assert (headed.status, headed.body) == (200, b"")
    for name in ("Content-Length", "Content-Type", "ETag", "Cache-Control", "Accept-Ranges"):
        assert headed.headers[name] == got.headers[name]


def test_a_large_object_is_served_whole(server, key):
    """More than one read."""
    data = random.Random(8).randbytes(3 << 20)
    assert server.request("GET", server.put(key, data)).body == data


@pytest.mark.parametrize("content_type", ["text/html", "image/svg+xml", "application/javascript"])
def test_hostile_bytes_are_not_run_by_a_browser(server, key, content_type):
    """Types are not guessed, scripts do not run, and an original is a download, never a page."""
    response = server.request("GET", server.put(key, b"<script>alert(1)</script>", RAW, content_type))
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'none'" in response.headers["Content-Security-Policy"]
    assert "sandbox" in response.headers["Content-Security-Policy"]
    assert response.headers["Content-Disposition"] == "attachment"


def test_an_uploaded_object_has_a_strong_etag(server, upload, key):
    """Its hash is not known, so the ETag is made of its modification time. Other bytes get another ETag."""
    etags = set()
    for data in (PHOTO, PHOTO[::-1]):
        again = server.store.create_upload(RAW, key)
        server.request("PUT", server.part_url(again, len(PHOTO)), data)
        server.store.complete_upload(again, server.store.list_parts(again))
        etags.add(server.request("GET", server.store.sign_get(RAW, key, now_ms() + 60_000)).headers["ETag"])
    assert len(etags) == 2
    assert not any(etag.startswith("W/") for etag in etags)


def test_a_range_is_served(server, key):
    """206, with its position in the whole."""
    response = server.request("GET", server.put(key, PHOTO), Range="bytes=2-6")
    assert (response.status, response.body) == (206, PHOTO[2:7])
    assert response.headers["Content-Range"] == f"bytes 2-6/{len(PHOTO)}"
    assert response.headers["Content-Length"] == "5"


@pytest.mark.parametrize("value", ["bytes= 2-6", "bytes=\t2-6 ", "Bytes=2-6"])
def test_a_range_may_be_written_loosely(call, server, key, value):
    """With spaces after the equals sign, and in any case."""
    response = call(server.store, "GET", server.put(key, PHOTO), HTTP_RANGE=value)
    assert (response.status, response.body) == (206, PHOTO[2:7])


@pytest.mark.parametrize("if_range", ["", '"another"'])
def test_an_if_range_of_other_bytes_means_the_whole(call, server, key, if_range):
    """An empty one too: it is present, and equals no ETag."""
    response = call(server.store, "GET", server.put(key, PHOTO), HTTP_RANGE="bytes=0-1", HTTP_IF_RANGE=if_range)
    assert (response.status, response.body) == (200, PHOTO)


def test_a_range_beyond_the_end_is_rejected(server, key):
    """416, with the true length."""
    response = server.request("GET", server.put(key, PHOTO), Range="bytes=22-")
    assert response.status == response.problem()["status"] == 416
    assert response.headers["Content-Range"] == f"bytes */{len(PHOTO)}"


def test_a_range_of_other_bytes_is_not_served(server, key):
    """If-Range (RFC 9110 section 13.1.5): a client with part of an earlier object gets the whole new one."""
    url = server.put(key, PHOTO)
    etag = server.request("GET", url).headers["ETag"]
    assert server.request("GET", url, Range="bytes=0-1", **{"If-Range": etag}).status == 206
    assert server.request("GET", url, Range="bytes=0-1", **{"If-Range": '"another"'}).body == PHOTO


def test_several_objects_go_over_one_connection(server, key):
    """It stays open between them."""
    request = server.encode("GET", server.put(key, PHOTO))
    with server.connect() as connection:
        for _ in range(2):
            connection.send(request)
            assert connection.response("GET").body == PHOTO


def test_clients_that_read_nothing_are_given_up(impatient_server):
    """One client for each thread requests more than the network buffers, and reads nothing. Others are served."""
    request = impatient_server.encode("GET", impatient_server.put("ab/p", bytes(16 << 20)))
    with ExitStack() as stalled:
        for _ in range(16):
            stalled.enter_context(impatient_server.connect()).send(request)
        assert impatient_server.request("GET", "/health").status == 200


# Rules for every request


def test_the_server_reports_its_health(server):
    """For monitoring."""
    assert server.request("HEAD", "/health").status == server.request("GET", "/health").status == 200


@pytest.mark.parametrize("path", ["/", "/part/", "/part/a/b", "/object/raw", "/objects/raw/ab/p", "/part/a/123456"])
def test_nothing_else_is_served(server, path):
    """404, as a problem document."""
    response = server.request("GET", path)
    assert response.status == response.problem()["status"] == 404


@pytest.mark.parametrize("method", ["POST", "DELETE", "PATCH", "TRACE"])
def test_other_methods_are_rejected(server, key, method):
    """405, with the methods that are allowed."""
    response = server.request(method, server.put(key, PHOTO))
    assert (response.status, response.headers["Allow"]) == (405, "GET, HEAD, PUT, OPTIONS")


@pytest.mark.parametrize("path", ["/object/raw/../../secret", "/object/raw/%2e%2e/%2e%2e/secret", "/object/../tmp/x"])
def test_a_path_that_leads_out_is_rejected(server, path):
    """It has no signature, and the store would not open it."""
    assert server.request("GET", path).status in (403, 404)


@pytest.mark.parametrize("path", ["/object/raw/../../secret", "/object/../tmp/x", "/part/..~..~secret/1"])
def test_a_signed_path_that_leads_out_is_rejected(server, path):
    """Even with the secret."""
    method = "PUT" if path.startswith("/part") else "GET"
    size = 0 if method == "PUT" else None
    url = signed_url(SECRET, "http://object-server", Claim(method, path, size, now_ms() + 60_000))
    assert server.request(method, url).status == 400


def test_any_web_page_may_send_requests(server, upload):
    """A browser sends a preflight first, and may read the ETag of the response."""
    preflight = server.request("OPTIONS", server.part_url(upload, len(PHOTO)), Origin="https://a.page")
    assert preflight.status == 204
    assert preflight.headers["Access-Control-Allow-Origin"] == "*"
    assert "PUT" in preflight.headers["Access-Control-Allow-Methods"]
    response = server.request("PUT", server.part_url(upload, len(PHOTO)), PHOTO, Origin="https://a.page")
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert "ETag" in response.headers["Access-Control-Expose-Headers"]


def test_a_web_page_may_read_a_rejection(server, upload):
    """So that it can tell its user why."""
    response = server.request("PUT", server.part_url(upload, len(PHOTO)), b"short")
    assert (response.status, response.headers["Access-Control-Allow-Origin"]) == (400, "*")
    assert response.headers["Cache-Control"] == "no-store"


def test_a_disk_that_is_away_is_unavailable(call, tmp_path):
    """503 and when to retry, without the path."""
    store = directory_objects(str(tmp_path / "objects"), "http://object-server", SECRET)
    os.rename(tmp_path / "objects", tmp_path / "unmounted")
    response = call(store, "GET", store.sign_get(RAW, "ab/p", now_ms() + 60_000))
    assert (response.status, response.headers["Retry-After"]) == (503, "1")
    assert str(tmp_path) not in response.problem()["detail"]
