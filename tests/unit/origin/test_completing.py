"""Completing an upload: once, however often it is asked, and only for exactly what arrived."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from origin.uploads import chosen_parts
from regions.errors import Unavailable
from regions.stores.objects import RAW, raw_key

PART = 5 * 1024 * 1024


@pytest.fixture
def upload_id(api, ana):
    """An upload of two parts, neither of which has arrived."""
    return api.begin(ana, PART + 3)["upload_id"]


@pytest.fixture
def both(api, upload_id):
    """Its two parts, arrived."""
    return [api.put(upload_id, 1, bytes(PART)), api.put(upload_id, 2, b"end")]


def test_completing_hands_the_photo_to_processing(api, ana, upload_id, both):
    """The object is whole, the photo is processing, and one event says so."""
    answer = api.complete(ana, upload_id, both)
    assert (answer.status_code, answer.json) == (201, {"photo_id": upload_id, "status": "processing"})
    assert api.ask("GET", f"/v1/photos/{upload_id}").json["status"] == "processing"
    with api.objects.open(RAW, raw_key(upload_id)) as chunks:
        assert b"".join(chunks) == bytes(PART) + b"end"
    assert [event.key for event in api.told("photos_uploaded")] == [upload_id]
    assert api.catalog.outbox.pending(10) == []


def test_completing_twice_is_completing_once(api, ana, upload_id, both):
    """The same answer, and no second event."""
    answers = [api.complete(ana, upload_id, both) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json == answers[1].json
    assert len(api.told("photos_uploaded")) == 1


@pytest.mark.parametrize("attempt", range(5))
def test_completing_at_the_same_time_is_completing_once(api, ana, attempt):
    """Eight threads, one object, one event."""
    upload_id = api.begin(ana, 9)["upload_id"]
    part = api.put(upload_id, 1, b"a picture")
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: api.complete(ana, upload_id, [part]), range(8)))
    assert {answer.text for answer in answers} == {answers[0].text}
    assert {answer.status_code for answer in answers} == {201}
    assert len(api.told("photos_uploaded")) == 1


def test_a_complete_that_died_halfway_is_taken_up_by_the_next(api, ana, upload_id, both):
    """The object was made, the catalog was not told, the parts are forgotten."""
    upload = api.catalog.uploads.get(upload_id)
    api.objects.complete_upload(
        upload.multipart_id, chosen_parts(upload, said(both), api.objects.list_parts(upload.multipart_id))
    )
    assert api.complete(ana, upload_id, both).status_code == 201
    assert len(api.told("photos_uploaded")) == 1


def test_an_upload_whose_complete_died_halfway_is_resumed(api, ana, upload_id, both):
    """A client that asks where it stands is told that all has arrived, and completes with what it was told."""
    upload = api.catalog.uploads.get(upload_id)
    api.objects.complete_upload(upload.multipart_id, api.objects.list_parts(upload.multipart_id))
    state = api.ask("GET", f"/v1/uploads/{upload_id}", who=ana).json
    assert (state["status"], state["missing"]) == ("uploading", [])
    assert [part["size_bytes"] for part in state["parts"]] == [PART, 3]
    assert api.complete(ana, upload_id, state["parts"]).status_code == 201
    assert len(api.told("photos_uploaded")) == 1


def test_an_upload_whose_complete_died_halfway_can_be_aborted(api, ana, upload_id, both):
    """And leaves no object."""
    upload = api.catalog.uploads.get(upload_id)
    api.objects.complete_upload(upload.multipart_id, api.objects.list_parts(upload.multipart_id))
    assert api.ask("DELETE", f"/v1/uploads/{upload_id}", who=ana).status_code == 204
    assert api.objects.info(RAW, raw_key(upload_id)) is None


def said(parts):
    return {part["number"]: part["etag"] for part in parts}


def test_when_the_event_log_is_away_the_event_waits_in_the_outbox(api, ana, upload_id, both, monkeypatch):
    """The client is answered; the sweep tells later."""

    def away(events):
        raise Unavailable("the event log does not answer")

    with monkeypatch.context() as patched:
        patched.setattr(api.context.stores.events, "publish", away)
        assert api.complete(ana, upload_id, both).status_code == 201
    assert [event.key for event in api.catalog.outbox.pending(10)] == [upload_id]
    api.clock.advance(5_000)
    assert api.context.outbox.run_once() == 1
    assert [event.key for event in api.told("photos_uploaded")] == [upload_id]


def test_quotes_around_an_etag_make_no_difference(api, ana, upload_id, both):
    """Clients drop them, or not (RFC 9110 section 8.8.3)."""
    bare = [{**part, "etag": part["etag"].strip('"')} for part in both]
    assert api.complete(ana, upload_id, bare).status_code == 201


def refused(api, ana, upload_id, parts):
    """The answer, after looking that nothing has changed."""
    answer = api.complete(ana, upload_id, parts)
    assert api.catalog.photos.get(upload_id).status == "uploading"
    assert api.objects.info(RAW, raw_key(upload_id)) is None
    assert api.told("photos_uploaded") == []
    return answer


def test_a_part_that_has_not_arrived_is_missed(api, ana, upload_id):
    """422 says which."""
    first = api.put(upload_id, 1, bytes(PART))
    answer = refused(api, ana, upload_id, [first, {"number": 2, "etag": "x"}])
    assert (answer.status_code, answer.json["missing"]) == (422, [2])


def test_a_photo_that_is_shorter_than_said_is_missed(api, ana, upload_id):
    """The size was a lie: the last part is too short."""
    parts = [api.put(upload_id, 1, bytes(PART)), api.put(upload_id, 2, b"en")]
    answer = refused(api, ana, upload_id, parts)
    assert (answer.status_code, answer.json["missing"]) == (422, [2])


def test_a_photo_that_is_longer_than_said_is_missed(api, ana, upload_id):
    """The size was a lie the other way."""
    parts = [api.put(upload_id, 1, bytes(PART)), api.put(upload_id, 2, b"ends")]
    assert refused(api, ana, upload_id, parts).status_code == 422


def test_a_part_that_is_not_named_is_missed(api, ana, upload_id, both):
    """All that arrived must be said."""
    answer = refused(api, ana, upload_id, both[:1])
    assert (answer.status_code, answer.json["missing"]) == (422, [2])


def test_a_part_that_the_upload_has_not_is_refused(api, ana, upload_id, both):
    """Even with the others right."""
    answer = refused(api, ana, upload_id, [*both, {"number": 3, "etag": "x"}])
    assert (answer.status_code, answer.json["unknown"]) == (422, [3])


def test_a_part_named_twice_is_refused(api, ana, upload_id, both):
    """Which one would count?"""
    assert refused(api, ana, upload_id, [*both, both[0]]).status_code == 400


def test_a_wrong_etag_is_refused(api, ana, upload_id, both):
    """422 says whose."""
    answer = refused(api, ana, upload_id, [both[0], {"number": 2, "etag": both[0]["etag"]}])
    assert (answer.status_code, answer.json["wrong"]) == (422, [2])


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
def test_a_list_of_parts_that_makes_no_sense_is_refused(api, ana, upload_id, both, parts):
    """400 before anything is looked up."""
    assert refused(api, ana, upload_id, parts).status_code == 400


def test_an_aborted_upload_is_not_completed(api, ana, upload_id, both):
    api.ask("DELETE", f"/v1/uploads/{upload_id}", who=ana)
    assert api.complete(ana, upload_id, both).status_code == 404


def test_an_upload_that_is_aborted_while_it_completes_leaves_no_object(api, ana, upload_id, both, monkeypatch):
    """The abort comes between the object and the catalog: nobody would ever find those bytes."""
    finish = api.objects.complete_upload

    def finish_and_lose(multipart_id, parts):
        finish(multipart_id, parts)
        api.catalog.uploads.discard(upload_id)

    monkeypatch.setattr(api.objects, "complete_upload", finish_and_lose)
    assert api.complete(ana, upload_id, both).status_code == 404
    assert api.objects.info(RAW, raw_key(upload_id)) is None
    assert api.told("photos_uploaded") == []


def test_a_deleted_photo_is_not_completed(api, ana, upload_id, both):
    """The tombstone wins, and no bytes stay."""
    assert api.ask("DELETE", f"/v1/photos/{upload_id}", who=ana).status_code == 204
    assert api.complete(ana, upload_id, both).status_code == 404
    assert api.objects.info(RAW, raw_key(upload_id)) is None
