"""Lanes hear of each change of what a second region has a copy of: no acknowledged one is without its event."""

from collections import Counter
from functools import partial

import pytest

from regions.border.kinds import LIKE, RecordChange, RecordName, change_of
from regions.errors import Unavailable
from regions.events.topics import FOLLOW_CHANGED, RECORD_CHANGED
from tests.builders.accounts import NEW_PASSPHRASE, PASSPHRASE, change, recover


def changes(api) -> list[RecordChange]:
    return [change_of(event) for event in api.published(RECORD_CHANGED)]


@pytest.fixture
def since(api):
    """`since(act)`: the kinds, parts and classes of the records that the act has changed, sorted."""

    def of(act) -> list[tuple[str, str, str]]:
        before = Counter(changes(api))
        act()
        new = (Counter(changes(api)) - before).elements()
        return sorted((one.name.kind, one.name.part, one.residency_class) for one in new)

    return of


USER, CREDENTIALS = ("user", "", ""), ("credentials", "", "")


def test_who_signs_up_is_a_user_with_credentials(api):
    ana = api.sign_up()
    assert {(one.name.kind, one.name.about, one.person_id) for one in changes(api)} == {
        ("user", ana.id, ana.id),
        ("credentials", ana.id, ana.id),
    }
    assert api.catalog.outbox.pending(9) == []


@pytest.mark.parametrize(
    ("method", "what", "body", "expected"),
    [
        ("PUT", "name", {"name": "Anna"}, [USER]),
        ("PUT", "passphrase", {"passphrase": NEW_PASSPHRASE}, [CREDENTIALS]),
        ("POST", "recovery-codes", {}, [CREDENTIALS]),
        ("DELETE", "", {}, [CREDENTIALS, USER]),
    ],
)
def test_an_account_that_changes_has_an_event(api, ana, since, method, what, body, expected):
    """And that it was deleted, too. A confirmation or a script's token is no change of a record."""
    confirmed = api.confirmed(ana)
    assert since(lambda: change(api, confirmed, method, what, body)) == expected
    assert api.catalog.outbox.pending(9) == []


def test_a_recovery_changes_the_credentials(api, ana, since):
    assert since(lambda: recover(api, ana, ana.recovery_codes[0])) == [CREDENTIALS]


def test_signing_in_changes_them_only_if_the_hash_is_outdated(api, ana, since, monkeypatch):
    assert since(lambda: api.sign_in(ana, PASSPHRASE)) == []
    monkeypatch.setattr(api.context.passphrases, "is_outdated", lambda verifier: True)
    assert since(lambda: api.sign_in(ana, PASSPHRASE)) == [CREDENTIALS]


def test_the_event_of_a_like_has_the_class_of_who_likes(api, ana, stranger, since):
    """Who may be of another region, which alone knows it otherwise. Each time, also when it is taken back."""
    path = f"/v1/photos/{api.ready(ana)}/like"
    like = ("like", stranger.id, "eu")
    for method in ("PUT", "PUT", "DELETE", "DELETE"):
        assert since(partial(api.request, method, path, user=stranger)) == [like]
    assert [one.person_id for one in changes(api) if one.name.kind == "like"] == [stranger.id] * 4
    assert api.catalog.outbox.pending(9) == []


def test_the_event_of_a_comment_has_the_class_of_its_author(api, ana, stranger, since):
    """Also when the owner of the photo deletes it, and again when a request is repeated."""
    path = f"/v1/photos/{api.ready(ana)}/comments"
    made = api.request("POST", path, {"text": "Lovely"}, stranger)
    comment = ("comment", made.json["id"], "eu")
    assert since(lambda: api.request("DELETE", f"{path}/{made.json['id']}", user=ana)) == [comment]
    assert [one.person_id for one in changes(api) if one.name.kind == "comment"] == [stranger.id] * 2
    assert since(lambda: api.request("DELETE", f"{path}/{made.json['id']}", user=ana)) == []


def test_a_follow_and_its_end_have_an_event(api, ana, eva, since):
    """In order for each author, beside the event for the author's home."""
    for method in ("PUT", "DELETE"):
        act = partial(api.request, method, f"/v1/users/{ana.id}/following/{eva.id}", user=ana)
        assert since(act) == [("follow", eva.id, "")]
    assert [one.name.about for one in changes(api) if one.name.kind == "follow"] == [ana.id] * 2
    assert len(api.published(FOLLOW_CHANGED)) == 2 and api.catalog.outbox.pending(9) == []


@pytest.fixture
def log_away(api, monkeypatch):
    def away(events):
        raise Unavailable("the event log is away")

    monkeypatch.setattr(api.context.stores.events, "publish", away)


def test_an_event_waits_in_the_outbox_while_the_log_is_away(api, ana, since, request):
    """The person need not try again."""
    photo_id = api.ready(ana)
    request.getfixturevalue("log_away")
    assert api.request("PUT", f"/v1/photos/{photo_id}/like", user=ana).status_code == 204
    assert api.request("POST", f"/v1/photos/{photo_id}/comments", {"text": "Ah"}, ana).status_code == 201
    assert change(api, api.confirmed(ana), "PUT", "name", {"name": "Anna"}).status_code == 204
    waiting = [change_of(event).name.kind for event in api.catalog.outbox.pending(9) if event.topic == RECORD_CHANGED]
    assert waiting == ["like", "comment", "user"]


def test_a_like_is_not_acknowledged_if_its_event_is_nowhere(api, ana, monkeypatch, request):
    """Neither the log nor the outbox takes its event: the client repeats it."""
    photo_id = api.ready(ana)
    request.getfixturevalue("log_away")

    def away(event):
        raise Unavailable("the catalog is away")

    with monkeypatch.context() as patched:
        patched.setattr(api.catalog.outbox, "add", away)
        assert api.request("PUT", f"/v1/photos/{photo_id}/like", user=ana).status_code == 503
    assert api.request("PUT", f"/v1/photos/{photo_id}/like", user=ana).status_code == 204
    waiting = [change_of(event).name for event in api.catalog.outbox.pending(9) if event.topic == RECORD_CHANGED]
    assert waiting == [RecordName(LIKE, photo_id, ana.id)]
