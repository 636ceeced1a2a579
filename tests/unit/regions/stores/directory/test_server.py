"""What the object door gives, to whom, and how it refuses."""

import hashlib
import os
import random
from contextlib import ExitStack

import pytest

from regions.clock import now_ms
from regions.stores.directory.objects import DirectoryObjects
from regions.stores.directory.signing import Claim, signed_url
from regions.stores.objects import IMMUTABLE, RAW

PHOTO = b"a photo of the harbour"
SECRET = b"secret"


def test_an_object_is_given_with_what_is_known_of_it(door, key):
    """Length, type, how long it may be kept, and a strong ETag: its SHA-256."""
    said = door.ask("GET", door.kept(key, PHOTO))
    assert (said.status, said.body) == (200, PHOTO)
    assert said.headers["Content-Type"] == "image/jpeg"
    assert said.headers["Content-Length"] == str(len(PHOTO))
    assert said.headers["Cache-Control"] == IMMUTABLE
    assert said.headers["ETag"] == f'"{hashlib.sha256(PHOTO).hexdigest()}"'
    assert said.headers["Accept-Ranges"] == "bytes"


def test_head_says_the_same_without_the_bytes(door, key):
    """With the URL of the GET."""
    url = door.kept(key, PHOTO)
    got, headed = door.ask("GET", url), door.ask("HEAD", url)
    assert (headed.status, headed.body) == (200, b"")
    for name in ("Content-Length", "Content-Type", "ETag", "Cache-Control", "Accept-Ranges"):
        assert headed.headers[name] == got.headers[name]


def test_a_large_object_is_given_whole(door, key):
    """More than one read."""
    data = random.Random(8).randbytes(3 << 20)
    assert door.ask("GET", door.kept(key, data)).body == data


@pytest.mark.parametrize("content_type", ["text/html", "image/svg+xml", "application/javascript"])
def test_hostile_bytes_are_not_run_by_a_browser(door, key, content_type):
    """No guessing of types, no script, and an original is a download, never a page."""
    said = door.ask("GET", door.kept(key, b"<script>alert(1)</script>", RAW, content_type))
    assert said.headers["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'none'" in said.headers["Content-Security-Policy"]
    assert "sandbox" in said.headers["Content-Security-Policy"]
    assert said.headers["Content-Disposition"] == "attachment"


def test_an_uploaded_object_has_a_strong_etag(door, upload, key):
    """Its hash is not known, so that its time stands for it; other bytes get another."""
    etags = set()
    for data in (PHOTO, PHOTO[::-1]):
        again = door.store.create_upload(RAW, key)
        door.ask("PUT", door.part_url(again, len(PHOTO)), data)
        door.store.complete_upload(again, door.store.list_parts(again))
        etags.add(door.ask("GET", door.store.sign_get(RAW, key, now_ms() + 60_000)).headers["ETag"])
    assert len(etags) == 2
    assert not any(etag.startswith("W/") for etag in etags)


def test_a_range_is_given(door, key):
    """206, with where it lies in the whole."""
    said = door.ask("GET", door.kept(key, PHOTO), Range="bytes=2-6")
    assert (said.status, said.body) == (206, PHOTO[2:7])
    assert said.headers["Content-Range"] == f"bytes 2-6/{len(PHOTO)}"
    assert said.headers["Content-Length"] == "5"


@pytest.mark.parametrize("value", ["bytes= 2-6", "bytes=\t2-6 ", "Bytes=2-6"])
def test_a_range_may_be_written_loosely(call, door, key, value):
    """With spaces after the equals sign, and in any case."""
    said = call(door.store, "GET", door.kept(key, PHOTO), HTTP_RANGE=value)
    assert (said.status, said.body) == (206, PHOTO[2:7])


@pytest.mark.parametrize("if_range", ["", '"another"'])
def test_an_empty_if_range_is_that_of_other_bytes(call, door, key, if_range):
    """It is present, and equals no ETag."""
    said = call(door.store, "GET", door.kept(key, PHOTO), HTTP_RANGE="bytes=0-1", HTTP_IF_RANGE=if_range)
    assert (said.status, said.body) == (200, PHOTO)


def test_a_range_that_is_not_there_is_refused(door, key):
    """416, with the true length."""
    said = door.ask("GET", door.kept(key, PHOTO), Range="bytes=22-")
    assert said.status == said.problem()["status"] == 416
    assert said.headers["Content-Range"] == f"bytes */{len(PHOTO)}"


def test_a_range_of_other_bytes_is_not_given(door, key):
    """If-Range (RFC 9110 section 13.1.5): whoever has part of a former object gets the whole new one."""
    url = door.kept(key, PHOTO)
    etag = door.ask("GET", url).headers["ETag"]
    assert door.ask("GET", url, Range="bytes=0-1", **{"If-Range": etag}).status == 206
    assert door.ask("GET", url, Range="bytes=0-1", **{"If-Range": '"another"'}).body == PHOTO


def test_several_objects_go_over_one_connection(door, key):
    """It is kept open between them."""
    ask = door.request("GET", door.kept(key, PHOTO))
    with door.connect() as connection:
        connection.send(ask + ask)
        assert [connection.answer("GET").body for _ in range(2)] == [PHOTO, PHOTO]


def test_clients_that_take_nothing_are_given_up(impatient_door):
    """As many as there are threads ask for more than the network holds, and do not read it; others are served."""
    ask = impatient_door.request("GET", impatient_door.kept("ab/p", bytes(16 << 20)))
    with ExitStack() as stalled:
        for _ in range(16):
            stalled.enter_context(impatient_door.connect()).send(ask)
        assert impatient_door.ask("GET", "/health").status == 200


# The house rules


def test_the_door_says_that_it_is_well(door):
    """For whoever watches it."""
    assert door.ask("HEAD", "/health").status == door.ask("GET", "/health").status == 200


@pytest.mark.parametrize("path", ["/", "/part/", "/part/a/b", "/object/raw", "/objects/raw/ab/p", "/part/a/123456"])
def test_nothing_else_is_served(door, path):
    """404, as a problem document."""
    said = door.ask("GET", path)
    assert said.status == said.problem()["status"] == 404


@pytest.mark.parametrize("method", ["POST", "DELETE", "PATCH", "TRACE"])
def test_other_methods_are_refused(door, key, method):
    """405, with those that may be used."""
    said = door.ask(method, door.kept(key, PHOTO))
    assert (said.status, said.headers["Allow"]) == (405, "GET, HEAD, OPTIONS")


@pytest.mark.parametrize("path", ["/object/raw/../../secret", "/object/raw/%2e%2e/%2e%2e/secret", "/object/../tmp/x"])
def test_a_path_that_leads_out_is_refused(door, path):
    """Nobody signs it, and the store would not open it."""
    assert door.ask("GET", path).status in (403, 404)


@pytest.mark.parametrize("path", ["/object/raw/../../secret", "/object/../tmp/x", "/part/..~..~secret/1"])
def test_a_path_that_leads_out_is_refused_though_signed(door, path):
    """Even by one who has the secret."""
    method = "PUT" if path.startswith("/part") else "GET"
    size = 0 if method == "PUT" else None
    url = signed_url(SECRET, "http://door", Claim(method, path, size, now_ms() + 60_000))
    assert door.ask(method, url).status == 400


def test_any_web_page_may_ask(door, upload):
    """A browser asks first (preflight), and may read the ETag of the answer."""
    asked = door.ask("OPTIONS", door.part_url(upload, len(PHOTO)), Origin="https://a.page")
    assert asked.status == 204
    assert asked.headers["Access-Control-Allow-Origin"] == "*"
    assert "PUT" in asked.headers["Access-Control-Allow-Methods"]
    said = door.ask("PUT", door.part_url(upload, len(PHOTO)), PHOTO, Origin="https://a.page")
    assert said.headers["Access-Control-Allow-Origin"] == "*"
    assert "ETag" in said.headers["Access-Control-Expose-Headers"]


def test_a_web_page_may_read_a_refusal(door, upload):
    """Else it could not tell its user why."""
    said = door.ask("PUT", door.part_url(upload, len(PHOTO)), b"short")
    assert (said.status, said.headers["Access-Control-Allow-Origin"]) == (400, "*")
    assert said.headers["Cache-Control"] == "no-store"


def test_a_disk_that_is_away_is_unavailable(call, tmp_path):
    """503 and when to come again; without the path."""
    store = DirectoryObjects(str(tmp_path / "objects"), "http://door", SECRET)
    os.rename(tmp_path / "objects", tmp_path / "unmounted")
    said = call(store, "GET", store.sign_get(RAW, "ab/p", now_ms() + 60_000))
    assert (said.status, said.headers["Retry-After"]) == (503, "1")
    assert str(tmp_path) not in said.problem()["detail"]
