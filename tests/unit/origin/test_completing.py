"""Completing an upload: it takes effect once, however often it is requested, and only with exactly what arrived."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from origin.uploads import chosen_parts
from regions.errors import Unavailable
from regions.records import Status
from regions.stores.objects import RAW, raw_key

PART = 5 * 1024 * 1024


@pytest.fixture
def upload_id(api, ana):
    """An upload of two parts, neither of which has arrived."""
    return api.start_upload(ana, PART + 3)["upload_id"]


@pytest.fixture
def both(api, upload_id):
    """The two parts of the upload, arrived."""
    return [api.put(upload_id, 1, bytes(PART)), api.put(upload_id, 2, b"end")]


def test_completing_hands_the_photo_to_processing(api, ana, upload_id, both):
    """The object is complete, the photo is `processing`, and one event reports it."""
    response = api.complete(ana, upload_id, both)
    assert (response.status_code, response.json) == (201, {"photo_id": upload_id, "status": "processing"})
    assert api.request("GET", f"/v1/photos/{upload_id}", user=ana).json["status"] == "processing"
    with api.objects.open(RAW, raw_key(upload_id)) as chunks:
        assert b"".join(chunks) == bytes(PART) + b"end"
    assert [event.key for event in api.published("photos_uploaded")] == [upload_id]
    assert api.catalog.outbox.pending(10) == []


def test_completing_twice_has_the_effect_of_once(api, ana, upload_id, both):
    """The same response, and no second event."""
    responses = [api.complete(ana, upload_id, both) for _ in range(2)]
    assert [response.status_code for response in responses] == [201, 201]
    assert responses[0].json == responses[1].json
    assert len(api.published("photos_uploaded")) == 1


@pytest.mark.parametrize("attempt", range(5))
def test_eight_completions_at_once_have_the_effect_of_one(api, ana, attempt):
    """Eight threads, one object, one event."""
    upload_id = api.start_upload(ana, 9)["upload_id"]
    part = api.put(upload_id, 1, b"a picture")
    with ThreadPoolExecutor(8) as threads:
        responses = list(threads.map(lambda _: api.complete(ana, upload_id, [part]), range(8)))
    assert {response.text for response in responses} == {responses[0].text}
    assert {response.status_code for response in responses} == {201}
    assert len(api.published("photos_uploaded")) == 1


def test_a_completion_that_died_halfway_is_finished_by_the_next_request(api, ana, upload_id, both):
    """The object was made and the parts dropped, but the catalog was not updated."""
    upload = api.catalog.uploads.get(upload_id)
    api.objects.complete_upload(
        upload.multipart_id, chosen_parts(upload, etags(both), api.objects.list_parts(upload.multipart_id))
    )
    assert api.complete(ana, upload_id, both).status_code == 201
    assert len(api.published("photos_uploaded")) == 1


def test_an_upload_whose_completion_died_halfway_can_be_resumed(api, ana, upload_id, both):
    """Its state lists all parts as arrived, and the client can complete it with exactly that list."""
    upload = api.catalog.uploads.get(upload_id)
    api.objects.complete_upload(upload.multipart_id, api.objects.list_parts(upload.multipart_id))
    state = api.request("GET", f"/v1/uploads/{upload_id}", user=ana).json
    assert (state["status"], state["missing"]) == ("uploading", [])
    assert [part["size_bytes"] for part in state["parts"]] == [PART, 3]
    assert api.complete(ana, upload_id, state["parts"]).status_code == 201
    assert len(api.published("photos_uploaded")) == 1


def test_an_upload_whose_completion_died_halfway_can_be_aborted(api, ana, upload_id, both):
    """And no object is left."""
    upload = api.catalog.uploads.get(upload_id)
    api.objects.complete_upload(upload.multipart_id, api.objects.list_parts(upload.multipart_id))
    assert api.request("DELETE", f"/v1/uploads/{upload_id}", user=ana).status_code == 204
    assert api.objects.info(RAW, raw_key(upload_id)) is None


def etags(parts):
    return {part["number"]: part["etag"] for part in parts}


def test_while_the_event_log_is_unavailable_the_event_waits_in_the_outbox(api, ana, upload_id, both, monkeypatch):
    """The client gets its response; the sweep publishes the event later."""

    def unavailable(events):
        raise Unavailable("the event log does not response")

    with monkeypatch.context() as patched:
        patched.setattr(api.context.stores.events, "publish", unavailable)
        assert api.complete(ana, upload_id, both).status_code == 201
    assert [event.key for event in api.catalog.outbox.pending(10)] == [upload_id]
    api.clock.advance(5_000)
    assert api.context.outbox.run_once() == 1
    assert [event.key for event in api.published("photos_uploaded")] == [upload_id]


def test_quotes_around_an_etag_make_no_difference(api, ana, upload_id, both):
    """Some clients send them, some don't (RFC 9110 section 8.8.3)."""
    bare = [{**part, "etag": part["etag"].strip('"')} for part in both]
    assert api.complete(ana, upload_id, bare).status_code == 201


def rejected(api, ana, upload_id, parts):
    """The response, after checking that nothing has changed."""
    response = api.complete(ana, upload_id, parts)
    assert api.catalog.photos.get(upload_id).status == "uploading"
    assert api.objects.info(RAW, raw_key(upload_id)) is None
    assert api.published("photos_uploaded") == []
    return response


def test_a_missing_part_is_rejected(api, ana, upload_id):
    """422 lists it."""
    first = api.put(upload_id, 1, bytes(PART))
    response = rejected(api, ana, upload_id, [first, {"number": 2, "etag": "x"}])
    assert (response.status_code, response.json["missing"]) == (422, [2])


def test_a_photo_that_is_shorter_than_its_declared_size_is_rejected(api, ana, upload_id):
    """The last part is too short."""
    parts = [api.put(upload_id, 1, bytes(PART)), api.put(upload_id, 2, b"en")]
    response = rejected(api, ana, upload_id, parts)
    assert (response.status_code, response.json["missing"]) == (422, [2])


def test_a_photo_that_is_longer_than_its_declared_size_is_rejected(api, ana, upload_id):
    """The last part is too long."""
    parts = [api.put(upload_id, 1, bytes(PART)), api.put(upload_id, 2, b"ends")]
    assert rejected(api, ana, upload_id, parts).status_code == 422


def test_a_part_that_is_not_listed_is_rejected(api, ana, upload_id, both):
    """The client must list all parts."""
    response = rejected(api, ana, upload_id, both[:1])
    assert (response.status_code, response.json["missing"]) == (422, [2])


def test_an_unknown_part_is_rejected(api, ana, upload_id, both):
    """Even if the others are right."""
    response = rejected(api, ana, upload_id, [*both, {"number": 3, "etag": "x"}])
    assert (response.status_code, response.json["unknown"]) == (422, [3])


def test_a_part_that_is_listed_twice_is_rejected(api, ana, upload_id, both):
    """It is unclear which entry would count."""
    assert rejected(api, ana, upload_id, [*both, both[0]]).status_code == 400


def test_a_wrong_etag_is_rejected(api, ana, upload_id, both):
    """422 lists its part."""
    response = rejected(api, ana, upload_id, [both[0], {"number": 2, "etag": both[0]["etag"]}])
    assert (response.status_code, response.json["wrong"]) == (422, [2])


@pytest.mark.parametrize(
    "parts",
    [
        None,
        {},
        "all of them",
        [1, 2],
        [{}],
        [{"number": 1}],
        [{"etag": "x"}],
        [{"number": "1", "etag": "x"}],
        [{"number": 0, "etag": "x"}],
        [{"number": -1, "etag": "x"}],
        [{"number": 21, "etag": "x"}],
        [{"number": 1.0, "etag": "x"}],
        [{"number": True, "etag": "x"}],
        [{"number": 1, "etag": ""}],
        [{"number": 1, "etag": 5}],
        [{"number": 1, "etag": "x" * 101}],
        [{"number": 1, "etag": "x"}] * 21,
    ],
)
def test_an_invalid_list_of_parts_is_rejected(api, ana, upload_id, both, parts):
    """400, before anything is read from a store."""
    assert rejected(api, ana, upload_id, parts).status_code == 400


@pytest.mark.parametrize("status", [Status.READY, Status.FAILED, Status.REJECTED])
def test_completing_again_returns_the_status_that_the_photo_has(api, ana, upload_id, both, status):
    """It may have been processed since."""
    api.complete(ana, upload_id, both)
    api.set_status(upload_id, status)
    assert api.complete(ana, upload_id, both).json["status"] == status


def test_an_upload_that_is_completed_while_it_is_aborted_is_complete(api, ana, upload_id, both, monkeypatch):
    """The abort is refused, and the photo keeps its bytes: exactly one of the two requests succeeds."""
    discard = api.catalog.uploads.discard
    completed = []

    def complete_and_discard(photo_id):
        completed.append(api.catalog.photos.update(api.processing(photo_id), {Status.UPLOADING}, None))
        return discard(photo_id)

    api.complete_object(upload_id)
    monkeypatch.setattr(api.catalog.uploads, "discard", complete_and_discard)
    assert api.request("DELETE", f"/v1/uploads/{upload_id}", user=ana).status_code == 409
    assert completed == [True]
    assert api.objects.info(RAW, raw_key(upload_id)) is not None


def test_an_aborted_upload_can_not_be_completed(api, ana, upload_id, both):
    api.request("DELETE", f"/v1/uploads/{upload_id}", user=ana)
    assert api.complete(ana, upload_id, both).status_code == 404


def test_an_upload_that_is_aborted_while_it_completes_leaves_no_object(api, ana, upload_id, both, monkeypatch):
    """The abort happens between making the object and updating the catalog. Nothing would ever delete those bytes."""
    finish = api.objects.complete_upload

    def finish_and_lose(multipart_id, parts):
        finish(multipart_id, parts)
        api.catalog.uploads.discard(upload_id)

    monkeypatch.setattr(api.objects, "complete_upload", finish_and_lose)
    assert api.complete(ana, upload_id, both).status_code == 404
    assert api.objects.info(RAW, raw_key(upload_id)) is None
    assert api.published("photos_uploaded") == []


def test_the_upload_of_a_deleted_photo_can_not_be_completed(api, ana, upload_id, both):
    """The tombstone wins, and no bytes are left."""
    assert api.request("DELETE", f"/v1/photos/{upload_id}", user=ana).status_code == 204
    assert api.complete(ana, upload_id, both).status_code == 404
    assert api.objects.info(RAW, raw_key(upload_id)) is None
