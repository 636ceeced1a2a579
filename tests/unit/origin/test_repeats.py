"""What makes something and is sent twice makes it once."""

import json

import pytest

from origin.accounts.passphrases import PassphraseHasher
from regions import ids, node_tokens
from regions.errors import Unavailable
from regions.node_tokens import Call
from tests.builders.accounts import NEW_PASSPHRASE, PASSPHRASE, script_body

KEY = "k" * 16
BODY = {"filename": "a.jpg", "size_bytes": 9, "content_type": "image/jpeg"}


@pytest.fixture
def send(api):
    """`send(path, body, user, key)`"""

    def send(path, body, user, key=KEY):
        headers = {"Authorization": f"Bearer {user.token}", "Idempotency-Key": key}
        return api.client.simulate_post(path, body=json.dumps(body), headers=headers)

    return send


def comments(api, photo_id) -> list[str]:
    return [one["id"] for one in api.request("GET", f"/v1/photos/{photo_id}/comments").json["items"]]


def test_a_comment_that_is_sent_twice_is_there_once(api, ana, send):
    path = f"/v1/photos/{api.ready(ana)}/comments"
    first, second = send(path, {"text": "Hello"}, ana), send(path, {"text": "Hello"}, ana)
    assert (first.status_code, first.json) == (201, second.json)
    assert len(comments(api, path.split("/")[3])) == 1


def test_an_upload_that_is_begun_twice_is_one_upload(api, ana, send):
    """Both answers are good for it, and nothing is left of a second one."""
    first, second = send("/v1/uploads/init", BODY, ana).json, send("/v1/uploads/init", BODY, ana).json
    assert first["upload_id"] == second["upload_id"]
    part = api.put(first["upload_id"], 1, b"a picture")
    assert api.complete(ana, second["upload_id"], [part]).status_code == 201
    assert send("/v1/uploads/init", BODY, ana).json["upload_id"] == first["upload_id"]


def test_an_upload_whose_record_a_process_that_died_has_not_made_is_as_old_as_its_id(
    api, ana, clock, send, monkeypatch
):
    """Other regions take no photo that is much younger than its id, and somebody may repeat this within a day."""
    with monkeypatch.context() as dying:
        dying.setattr(type(api.catalog.photos), "create", lambda self, photo, upload: 1 / 0)
        assert send("/v1/uploads/init", BODY, ana).status_code == 500
    clock.advance(11 * 60_000)
    photo_id = send("/v1/uploads/init", BODY, ana).json["photo_id"]
    assert api.catalog.photos.get(photo_id).created_at_ms == ids.parse(ids.PHOTO, photo_id).at_ms


def test_a_photo_that_was_deleted_since_is_gone(api, ana, send):
    """A late repetition brings nothing back."""
    photo_id = send("/v1/uploads/init", BODY, ana).json["photo_id"]
    assert api.complete(ana, photo_id, [api.put(photo_id, 1, b"a picture")]).status_code == 201
    assert api.request("DELETE", f"/v1/photos/{photo_id}", user=ana).status_code == 204
    assert send("/v1/uploads/init", BODY, ana).status_code == 410


@pytest.mark.parametrize("other", ["user", "key", "body", "path"])
def test_another_user_key_body_or_photo_is_another_request(api, ana, eva, send, other):
    path, second = f"/v1/photos/{api.ready(ana)}/comments", f"/v1/photos/{api.ready(ana)}/comments"
    assert send(path, {"text": "Hello"}, ana).status_code == 201
    send(
        second if other == "path" else path,
        {"text": "Hello again" if other == "body" else "Hello"},
        eva if other == "user" else ana,
        "j" * 16 if other == "key" else KEY,
    )
    assert len(comments(api, path.split("/")[3]) + comments(api, second.split("/")[3])) == 2


def test_what_a_process_that_died_has_not_made_is_made_by_the_repetition(api, ana, send, monkeypatch):
    """It died between writing the request down and making the comment."""
    path = f"/v1/photos/{api.ready(ana)}/comments"
    with monkeypatch.context() as dying:
        dying.setattr(type(api.catalog.comments), "add", lambda self, comment: 1 / 0)
        assert send(path, {"text": "Hello"}, ana).status_code == 500
    assert send(path, {"text": "Hello"}, ana).status_code == 201
    assert len(comments(api, path.split("/")[3])) == 1


SIGN_IN, RECOVERY = "/v1/sessions", "/v1/sessions/recovery"


@pytest.fixture
def secret_making(api, ana):
    """`secret_making(path)`: a body, with which it makes something that is shown once; and who asks for it."""
    bodies = {
        SIGN_IN: {"handle": ana.handle, "passphrase": PASSPHRASE},
        RECOVERY: {"handle": ana.handle, "recovery_code": ana.recovery_codes[0], "new_passphrase": NEW_PASSPHRASE},
        f"/v1/users/{ana.id}/confirmation": {"passphrase": PASSPHRASE},
        f"/v1/users/{ana.id}/script-tokens": script_body(api),
        f"/v1/users/{ana.id}/recovery-codes": {},
    }
    confirmed = api.confirmed(ana)
    return lambda name: next((path, body, confirmed) for path, body in bodies.items() if path.endswith(name))


SECRET_MAKING = [SIGN_IN, RECOVERY, "confirmation", "script-tokens", "recovery-codes"]


@pytest.mark.parametrize("name", SECRET_MAKING)
def test_what_is_shown_once_is_made_once(api, ana, send, secret_making, name):
    """A recorded request shows it to nobody else, and takes nothing from who made it. A code is used up anyway."""
    path, body, confirmed = secret_making(name)
    first = send(path, body, confirmed)
    assert first.status_code in (200, 201), first.text
    before = [api.catalog.sessions.of_user(ana.id), api.catalog.credentials.of_user(ana.id)]
    again = send(path, body, confirmed)
    assert again.status_code == (401 if name == RECOVERY else 409), again.text
    assert [api.catalog.sessions.of_user(ana.id), api.catalog.credentials.of_user(ana.id)] == before


@pytest.mark.parametrize("name", [SIGN_IN, "confirmation", "script-tokens", "recovery-codes"])
def test_another_key_makes_another_secret(send, secret_making, name):
    """Who lost the answer asks anew."""
    path, body, confirmed = secret_making(name)
    first, second = send(path, body, confirmed), send(path, body, confirmed, "j" * 16)
    assert first.status_code == second.status_code < 300


def test_a_sign_in_that_could_not_be_answered_uses_up_no_key(send, secret_making, monkeypatch):
    path, body, confirmed = secret_making(SIGN_IN)
    with monkeypatch.context() as busy:
        busy.setattr(PassphraseHasher, "matches", lambda *arguments: raising(Unavailable("busy")))
        assert send(path, body, confirmed).status_code == 503
    assert send(path, body, confirmed).status_code == 201


def raising(error):
    raise error


@pytest.mark.parametrize("key", ["short", "k" * 65, "k" * 15 + " ", "k" * 15 + "ü"])
def test_a_key_that_can_be_guessed_or_is_too_long_is_rejected(api, ana, send, key):
    assert send("/v1/uploads/init", BODY, ana, key.encode().decode("latin-1")).status_code == 400


def test_a_recorded_request_of_an_edge_makes_nothing_a_second_time(api, ana):
    """Its token is for its key: with another one, or none, it is refused."""
    path, raw = f"/v1/photos/{api.ready(ana)}/comments", json.dumps({"text": "Hello"}).encode()
    token = api.node_token("lisbon", Call("eu-west", "POST", path, raw, key=KEY))
    headers = {node_tokens.HEADER: token, "Authorization": f"Bearer {ana.token}"}
    for key, status in ((KEY, 201), (KEY, 201), ("j" * 16, 401), (None, 401)):
        sent = headers | ({"Idempotency-Key": key} if key else {})
        assert api.client.simulate_post(path, body=raw, headers=sent).status_code == status
    assert len(comments(api, path.split("/")[3])) == 1
