"""The client against a real server that fails on demand."""

import hashlib
import threading
import time
from pathlib import Path

import pytest

from darkroom.client.client import (
    Client,
    ClientError,
    HomeAway,
    OtherFile,
    PhotoRejected,
    Throttled,
    Unreachable,
    UploadInterrupted,
)
from darkroom.client.http import HttpClient

UPLOAD_ID = "p_00000000001"
DROP = 0
PHOTO = bytes(range(256)) * 18  # 4,608 bytes: five parts of at most 1,000


@pytest.fixture
def client(edge):
    return Client(edge.url)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "harbour.jpg"
    path.write_bytes(PHOTO)
    return path


def parts_served(edge) -> list[int]:
    """How often each part was sent, part 1 first."""
    return [edge.served[f"PUT /part/{number}"] for number in edge.numbers()]


def test_a_file_arrives_whole(client, edge, file):
    """Every part is sent once, in the right place, and `complete` lists them all in order."""
    assert client.upload(file, "The harbour") == UPLOAD_ID
    assert edge.arrived() == PHOTO
    assert parts_served(edge) == [1, 1, 1, 1, 1]
    assert [part["number"] for part in edge.completed] == [1, 2, 3, 4, 5]


def test_init_describes_the_file(client, edge, file):
    """It sends name, size, content type, caption and the SHA-256 of the file."""
    client.upload(file, "The harbour")
    assert edge.init_body == {
        "filename": "harbour.jpg",
        "size_bytes": len(PHOTO),
        "content_type": "image/jpeg",
        "sha256": hashlib.sha256(PHOTO).hexdigest(),
        "caption": "The harbour",
    }


def test_bytes_are_uploaded_like_a_file(client, edge):
    """A photo in memory needs no file; its first bytes give its content type."""
    client.upload(b"\x89PNG" + PHOTO)
    assert edge.arrived() == b"\x89PNG" + PHOTO
    assert edge.init_body["content_type"] == "image/png"


@pytest.mark.parametrize(
    ("head", "content_type"),
    [
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"RIFF\x10\0\0\0WEBP", "image/webp"),
        (b"GIF87a", "image/gif"),
        (b"GIF89a", "image/gif"),
        (b"II*\0", "image/tiff"),
        (b"MM\0*", "image/tiff"),
        (b"BM", "image/bmp"),
        (b"\0\0\0\x18ftypavif", "image/avif"),
        (b"\0\0\0\x18ftypheic", "image/heic"),
        (b"II+\0", "application/octet-stream"),
        (b"", "application/octet-stream"),
    ],
)
def test_the_first_bytes_of_what_has_no_suffix_give_its_content_type(client, edge, tmp_path, head, content_type):
    """Of bytes in memory and of a file; what they are really, the server finds out."""
    unnamed = tmp_path / "harbour"
    unnamed.write_bytes(head + PHOTO)
    for photo in (head + PHOTO, unnamed):
        client.upload(photo)
        assert edge.init_body["content_type"] == content_type


def test_an_upload_waits_as_long_as_the_server_asks_and_goes_on(client, edge, file):
    """It says so, once for each wait; of a short one it says nothing."""
    edge.retry_after_s = 4
    edge.fail("POST /v1/uploads/init", 429)
    waits: list[int] = []
    begun_s = time.monotonic()
    assert client.upload(file, throttled=waits.append) == UPLOAD_ID
    assert waits == [4]
    assert 4 <= time.monotonic() - begun_s < 10
    edge.retry_after_s = 0
    edge.fail("POST /v1/uploads/init", 429, 429)
    assert client.upload(file, throttled=waits.append) == UPLOAD_ID
    assert waits == [4]


def test_nobody_waits_for_hours(client, edge, file):
    """The error says how long it would be, and nothing was begun."""
    edge.retry_after_s = 4000
    edge.fail("POST /v1/uploads/init", 429)
    with pytest.raises(Throttled) as refused:
        client.upload(file)
    assert (refused.value.status, refused.value.retry_after_s) == (429, 4000)
    assert edge.served["POST /v1/uploads/init"] == 1


@pytest.mark.parametrize("failure", [503, 500, DROP])
def test_only_the_failed_part_is_sent_again(client, edge, file, failure):
    """One part fails once: four parts are sent once and that one twice."""
    edge.fail("PUT /part/3", failure)
    client.upload(file)
    assert parts_served(edge) == [1, 1, 2, 1, 1]
    assert edge.arrived() == PHOTO


def test_a_part_whose_response_was_lost_is_not_sent_again(client, edge, file):
    """The part arrived, so the upload's list of parts has its ETag."""
    edge.fail("PUT /part/3", DROP, after=True)
    client.upload(file)
    assert parts_served(edge) == [1, 1, 1, 1, 1]
    assert len(edge.completed) == 5


def test_an_expired_url_is_replaced(client, edge, file):
    """The client requests new URLs and uses them."""
    edge.oldest_valid_signature = 2
    client.upload(file)
    assert edge.served[f"GET /v1/uploads/{UPLOAD_ID}"] >= 1
    assert edge.arrived() == PHOTO


def test_progress_adds_up_to_the_file(client, edge, file):
    """Bytes that are sent again are subtracted first, so the sum of all calls is the file's size."""
    edge.fail("PUT /part/2", 503, DROP)
    progress: list[int] = []
    client.upload(file, progress=progress.append)
    assert sum(progress) == len(PHOTO)


def test_an_interrupted_upload_has_its_id_and_can_be_resumed(client, edge, file):
    """A part that fails on every attempt ends the upload; resuming sends only the missing part."""
    edge.fail("PUT /part/5", *[400] * 5)
    progress: list[int] = []
    with pytest.raises(UploadInterrupted) as interrupted:
        client.upload(file, progress=progress.append)
    assert interrupted.value.upload_id == UPLOAD_ID
    assert sum(progress) == 0
    assert client.upload(file, resume_id=UPLOAD_ID, progress=progress.append) == UPLOAD_ID
    assert parts_served(edge) == [1, 1, 1, 1, 6]
    assert edge.served["POST /v1/uploads/init"] == 1
    assert sum(progress) == len(PHOTO)


def test_resuming_a_complete_upload_sends_nothing(client, edge, file):
    """The photo's id is returned as if the upload had just been completed."""
    client.upload(file)
    assert client.upload(file, resume_id=UPLOAD_ID) == UPLOAD_ID
    assert parts_served(edge) == [1, 1, 1, 1, 1]


def test_resuming_with_another_file_is_rejected(client, edge):
    """Of another size, or of the same size with another content; also when the upload is complete already."""
    client.upload(PHOTO)
    served = parts_served(edge)
    for other in (PHOTO[:-1], PHOTO[:-1] + b"!"):
        with pytest.raises(OtherFile, match="not the file"):
            client.upload(other, resume_id=UPLOAD_ID)
    assert parts_served(edge) == served


def test_the_id_of_a_new_upload_is_known_before_its_first_byte_is_sent(client, edge):
    """So that it can be remembered, whatever happens next."""
    sent = []
    client.upload(PHOTO, begun=lambda upload_id: sent.append((upload_id, dict(edge.parts))))
    assert sent == [(UPLOAD_ID, {})]


@pytest.mark.parametrize("failure", [503, DROP])
def test_complete_is_sent_again_when_its_response_is_lost(client, edge, file, failure):
    """It is idempotent, so a dropped connection does not fail the upload."""
    edge.fail(f"POST /v1/uploads/{UPLOAD_ID}/complete", failure, after=True)
    assert client.upload(file) == UPLOAD_ID
    assert edge.served[f"POST /v1/uploads/{UPLOAD_ID}/complete"] == 2


def test_an_upload_that_is_gone_starts_over(client, edge, file):
    """A region that was turned off during an upload responds 410; the client starts over by itself, once."""
    edge.fail(f"POST /v1/uploads/{UPLOAD_ID}/complete", 410)
    assert client.upload(file) == UPLOAD_ID
    assert edge.served["POST /v1/uploads/init"] == 2


def test_a_problem_becomes_an_error(client):
    """The error has the problem document's title and detail."""
    with pytest.raises(ClientError) as raised:
        client.user("u_nobody")
    assert (raised.value.status, raised.value.title) == (404, "There is no such thing here")
    assert raised.value.document["detail"] == raised.value.detail == "nothing at GET /v1/users/u_nobody"


def test_an_idempotent_request_is_retried(client, edge):
    """A like succeeds after a 503 and a dropped connection."""
    edge.fail("PUT /v1/photos/p_liked/like", 503, DROP)
    client.like("p_liked")
    assert edge.served["PUT /v1/photos/p_liked/like"] == 3


@pytest.mark.parametrize("failure", [503, DROP])
def test_signing_up_is_not_retried(client, edge, failure):
    """After a lost response, the user may already exist."""
    edge.fail("POST /v1/users", failure)
    with pytest.raises(ClientError):
        client.sign_up("Ana", "PT", "ana", "a passphrase")
    assert edge.served["POST /v1/users"] == 1


def test_an_unreachable_server_has_its_own_error():
    """The status is 0, because there was no response."""
    with pytest.raises(Unreachable) as raised:
        Client("http://127.0.0.1:9").sign_up("Ana", "PT", "ana", "a passphrase")
    assert raised.value.status == 0


def test_a_silent_server_is_asked_once(edge):
    """Whatever may be repeated: who was silent for that long may be so each time, and somebody waits."""
    edge.thawed, begun_s = threading.Event(), time.monotonic()
    with pytest.raises(Unreachable) as raised:
        HttpClient(edge.url, answer_s=0.5).json("PUT", "/v1/photos/p_liked/like")
    assert time.monotonic() - begun_s < 5
    assert edge.served["PUT /v1/photos/p_liked/like"] == 1
    assert (raised.value.detail, raised.value.is_down) == ("it is silent", False)
    edge.thawed.set()


def test_what_an_edge_says_after_long_is_believed(edge):
    """A 502 that took as long as an edge waits is not asked for again."""
    edge.slow_s = 0.3
    edge.fail("PUT /v1/photos/p_liked/like", 502, 502)
    with pytest.raises(ClientError) as raised:
        HttpClient(edge.url, answer_s=0.6).json("PUT", "/v1/photos/p_liked/like")
    assert raised.value.status == 502 and raised.value.is_unanswered
    assert edge.served["PUT /v1/photos/p_liked/like"] == 1


def test_who_signs_up_hears_that_the_home_does_not_answer(client, edge):
    """By the name of the region, and not by what a library says."""
    edge.fail("POST /v1/users", DROP)
    with pytest.raises(HomeAway, match="Your home region eu-west does not answer now: ") as raised:
        client.sign_up("Ana", "PT", "ana", "a passphrase")
    assert raised.value.status == 0 and not raised.value.is_down


def test_waiting_ends_when_the_photo_is_ready(client, edge):
    """It polls until the status is `ready`, and returns the photo."""
    edge.photos = [{"status": "processing"}, {"status": "processing"}, {"status": "ready", "id": UPLOAD_ID}]
    assert client.wait_until_ready(UPLOAD_ID, 5)["id"] == UPLOAD_ID


def test_a_waiting_caller_hears_about_how_long_it_takes(client, edge):
    """Each time that the photo is not ready, if the region knows."""
    edge.photos = [{"status": "processing"}, {"status": "processing", "ready_in_s": 20}, {"status": "ready"}]
    heard = []
    client.wait_until_ready(UPLOAD_ID, 5, heard.append)
    assert [photo.get("ready_in_s") for photo in heard] == [None, 20]


def test_waiting_for_a_failed_photo_raises_with_the_reason(client, edge):
    """The reason is the error's detail."""
    edge.photos = [{"status": "failed", "reason": {"code": "not-an-image", "detail": "this is text"}}]
    with pytest.raises(PhotoRejected, match="this is text"):
        client.wait_until_ready(UPLOAD_ID, 5)


def test_waiting_times_out(client, edge):
    """It raises TimeoutError when the time is up."""
    edge.photos = [{"status": "processing"}]
    with pytest.raises(TimeoutError, match="still processing"):
        client.wait_until_ready(UPLOAD_ID, 0.1)
