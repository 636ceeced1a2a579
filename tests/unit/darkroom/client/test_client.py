"""The client against a real server that fails where it is told to."""

import hashlib
from pathlib import Path

import pytest

from darkroom.client.client import Client, ClientError, PhotoRefused, Unreachable, UploadInterrupted

UPLOAD_ID = "p_00000000001"
DROP = 0
PHOTO = bytes(range(256)) * 18  # 4,608 bytes: five parts of at most 1,000


@pytest.fixture
def client(edge):
    return Client(edge.url, "a-token")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "harbour.jpg"
    path.write_bytes(PHOTO)
    return path


def parts_served(edge) -> list[int]:
    """How often each part was sent, part 1 first."""
    return [edge.served[f"PUT /part/{number}"] for number in edge.numbers()]


def test_a_file_arrives_whole(client, edge, file):
    """Every part is sent once, in its place, and complete names them all in order."""
    assert client.upload(file, "The harbour") == UPLOAD_ID
    assert edge.arrived() == PHOTO
    assert parts_served(edge) == [1, 1, 1, 1, 1]
    assert [part["number"] for part in edge.completed] == [1, 2, 3, 4, 5]


def test_init_says_what_will_come(client, edge, file):
    """Name, size, type, caption and the SHA-256 of the file."""
    client.upload(file, "The harbour")
    assert edge.said == {
        "filename": "harbour.jpg",
        "size_bytes": len(PHOTO),
        "content_type": "image/jpeg",
        "sha256": hashlib.sha256(PHOTO).hexdigest(),
        "caption": "The harbour",
    }


def test_bytes_are_uploaded_like_a_file(client, edge):
    """A photo in memory needs no file; its first bytes say what it is."""
    client.upload(b"\x89PNG" + PHOTO)
    assert edge.arrived() == b"\x89PNG" + PHOTO
    assert edge.said["content_type"] == "image/png"


@pytest.mark.parametrize("failure", [503, 500, DROP])
def test_only_the_failed_part_is_sent_again(client, edge, file, failure):
    """One part fails once: four parts are sent once and that one twice."""
    edge.fail("PUT /part/3", failure)
    client.upload(file)
    assert parts_served(edge) == [1, 1, 2, 1, 1]
    assert edge.arrived() == PHOTO


def test_a_part_whose_answer_was_lost_is_not_sent_again(client, edge, file):
    """It arrived, so the upload's list of parts has its ETag."""
    edge.fail("PUT /part/3", DROP, after=True)
    client.upload(file)
    assert parts_served(edge) == [1, 1, 1, 1, 1]
    assert len(edge.completed) == 5


def test_an_expired_url_is_replaced(client, edge, file):
    """Where URLs have run out, fresh ones are asked for and used."""
    edge.oldest_good_signature = 2
    client.upload(file)
    assert edge.served[f"GET /v1/uploads/{UPLOAD_ID}"] >= 1
    assert edge.arrived() == PHOTO


def test_progress_adds_up_to_the_file(client, edge, file):
    """What is sent again is taken back first, so the sum of all calls is the file's size."""
    edge.fail("PUT /part/2", 503, DROP)
    told: list[int] = []
    client.upload(file, progress=told.append)
    assert sum(told) == len(PHOTO)


def test_an_interrupted_upload_names_its_id_and_can_be_resumed(client, edge, file):
    """A part that fails for good ends the upload; resuming sends what is missing and nothing else."""
    edge.fail("PUT /part/5", *[400] * 5)
    told: list[int] = []
    with pytest.raises(UploadInterrupted) as interrupted:
        client.upload(file, progress=told.append)
    assert interrupted.value.upload_id == UPLOAD_ID
    assert sum(told) == 0
    assert client.upload(file, resume_id=UPLOAD_ID, progress=told.append) == UPLOAD_ID
    assert parts_served(edge) == [1, 1, 1, 1, 6]
    assert edge.served["POST /v1/uploads/init"] == 1
    assert sum(told) == len(PHOTO)


def test_resuming_a_complete_upload_sends_nothing(client, edge, file):
    """Its id comes back, as if it had been completed just now."""
    client.upload(file)
    assert client.upload(file, resume_id=UPLOAD_ID) == UPLOAD_ID
    assert parts_served(edge) == [1, 1, 1, 1, 1]


def test_resuming_with_another_file_is_refused(client, edge):
    """A file of another length has other parts."""
    edge.size_bytes = 2_500
    with pytest.raises(ClientError, match="not the file"):
        client.upload(PHOTO, resume_id=UPLOAD_ID)
    assert sum(edge.served[f"PUT /part/{number}"] for number in range(9)) == 0


@pytest.mark.parametrize("failure", [503, DROP])
def test_complete_is_asked_again_when_its_answer_is_lost(client, edge, file, failure):
    """It is idempotent, so a dropped connection is no failed upload."""
    edge.fail(f"POST /v1/uploads/{UPLOAD_ID}/complete", failure, after=True)
    assert client.upload(file) == UPLOAD_ID
    assert edge.served[f"POST /v1/uploads/{UPLOAD_ID}/complete"] == 2


def test_an_upload_that_is_gone_begins_again(client, edge, file):
    """A region that was turned off in mid-upload says 410; the client begins again by itself, once."""
    edge.fail(f"POST /v1/uploads/{UPLOAD_ID}/complete", 410)
    assert client.upload(file) == UPLOAD_ID
    assert edge.served["POST /v1/uploads/init"] == 2


def test_a_problem_becomes_an_error(client):
    """The problem document's words are the error's."""
    with pytest.raises(ClientError) as refused:
        client.user("u_nobody")
    assert (refused.value.status, refused.value.title) == (404, "There is no such thing here")
    assert refused.value.document["detail"] == refused.value.detail == "nothing at GET /v1/users/u_nobody"


def test_an_idempotent_call_is_tried_again(client, edge):
    """A like that met a 503 and then a dropped connection still counts."""
    edge.fail("PUT /v1/photos/p_liked/like", 503, DROP)
    client.like("p_liked")
    assert edge.served["PUT /v1/photos/p_liked/like"] == 3


@pytest.mark.parametrize("failure", [503, DROP])
def test_signing_up_is_not_tried_again(client, edge, failure):
    """A lost answer may mean that the user exists already."""
    edge.fail("POST /v1/users", failure)
    with pytest.raises(ClientError):
        client.sign_up("Ana", "PT")
    assert edge.served["POST /v1/users"] == 1


def test_nobody_there_is_an_error_of_its_own():
    """No server, no status."""
    with pytest.raises(Unreachable) as refused:
        Client("http://127.0.0.1:9").sign_up("Ana", "PT")
    assert refused.value.status == 0


def test_waiting_ends_when_the_photo_is_ready(client, edge):
    """It asks until the status is `ready`, and gives the photo."""
    edge.photos = [{"status": "processing"}, {"status": "processing"}, {"status": "ready", "id": UPLOAD_ID}]
    assert client.wait_until_ready(UPLOAD_ID, 5)["id"] == UPLOAD_ID


def test_waiting_for_a_failed_photo_says_why(client, edge):
    """The reason is the error's detail."""
    edge.photos = [{"status": "failed", "reason": {"code": "not-an-image", "detail": "this is text"}}]
    with pytest.raises(PhotoRefused, match="this is text"):
        client.wait_until_ready(UPLOAD_ID, 5)


def test_waiting_has_an_end(client, edge):
    """TimeoutError once the time is up."""
    edge.photos = [{"status": "processing"}]
    with pytest.raises(TimeoutError, match="still processing"):
        client.wait_until_ready(UPLOAD_ID, 0.1)
