"""What a person may do with their own account, and what their scripts may not."""

from dataclasses import replace

import pytest

from regions.records import User, rfc3339
from tests.builders.accounts import HOUR_MS, PASSPHRASE, change, recover, script_body
from tests.builders.accounts import NEW_PASSPHRASE as NEW

CHANGES = [
    ("POST", "script-tokens"),
    ("POST", "recovery-codes"),
    ("PUT", "passphrase"),
    ("PUT", "name"),
    ("GET", "export"),
    ("DELETE", ""),
]


def script_token(api, user, scope=("read",), **changes):
    return change(api, api.confirmed(user), "POST", "script-tokens", script_body(api, scope, **changes))


def script(api, user, *scope):
    refresh_token = script_token(api, user, scope).json["refresh_token"]
    made = api.refresh(refresh_token).json
    return replace(user, token=made["tokens"]["eu-west"], refresh_token=refresh_token, session=made["session"])


@pytest.mark.parametrize(("method", "what"), CHANGES)
def test_who_changes_an_account_gives_the_passphrase_anew(api, ana, method, what):
    """Being signed in is not enough; and it is forgotten after five minutes."""
    refused = change(api, ana, method, what)
    assert (refused.status_code, refused.json["needs"]) == (403, "confirmation")
    confirmed = api.confirmed(ana)
    api.clock.advance(5 * 60 * 1000)
    assert change(api, confirmed, method, what).status_code == 401


def test_only_the_passphrase_confirms(api, ana, eva):
    path = f"/v1/users/{ana.id}/confirmation"
    assert api.request("POST", path, {"passphrase": NEW}, ana).status_code == 401
    assert api.request("POST", path, {"passphrase": PASSPHRASE}, eva).status_code == 403
    assert api.request("POST", path, {"passphrase": PASSPHRASE}).status_code == 401


def test_a_recovery_code_sets_a_new_passphrase_once(api, ana):
    """All sessions end; one begins. Written in any way."""
    phone, code = api.signed_in(ana), ana.recovery_codes[3]
    response = recover(api, ana, f" {code.lower().replace('-', ' ')} ")
    assert response.status_code == 201
    assert [api.refresh(user.refresh_token).status_code for user in (ana, phone)] == [401, 401]
    assert api.request("GET", f"/v1/users/{ana.id}/feed", user=phone).status_code == 401
    assert api.sign_in(ana).status_code == 401
    assert api.sign_in(ana, NEW).status_code == 201
    assert recover(api, ana, code).status_code == 401
    assert recover(api, ana, ana.recovery_codes[4], PASSPHRASE).status_code == 201


@pytest.mark.parametrize("code", ["AAAA-AAAA-AAAA-AAAA", "x", "\u0660" * 16, "a" * 40])
def test_a_wrong_code_changes_nothing(api, ana, eva, code):
    """Nor does another user's."""
    for wrong in (code, eva.recovery_codes[0]):
        assert recover(api, ana, wrong).status_code == 401
    assert api.sign_in(ana).status_code == 201
    assert recover(api, replace(ana, handle="nobody@eu-west"), code).status_code == 401


def test_of_two_recoveries_by_one_code_at_once_one_counts(api, ana, monkeypatch):
    """The other finds the code used, although it was there when it looked."""
    before = api.catalog.credentials.of_user(ana.id)
    assert recover(api, ana, ana.recovery_codes[0]).status_code == 201
    monkeypatch.setattr(api.catalog.credentials, "of_user", lambda user_id: before)
    assert recover(api, ana, ana.recovery_codes[0], PASSPHRASE).status_code == 401
    monkeypatch.undo()
    assert api.sign_in(ana, NEW).status_code == 201


def test_new_recovery_codes_replace_the_old_ones(api, ana):
    codes = change(api, api.confirmed(ana), "POST", "recovery-codes").json["recovery_codes"]
    assert len(set(codes) | set(ana.recovery_codes)) == 20
    assert recover(api, ana, ana.recovery_codes[0]).status_code == 401
    assert recover(api, ana, codes[0]).status_code == 201


def test_a_new_passphrase_ends_all_other_sessions(api, ana):
    phone, confirmed = api.signed_in(ana), api.confirmed(ana)
    assert change(api, confirmed, "PUT", "passphrase", {"passphrase": "short"}).status_code == 400
    assert change(api, confirmed, "PUT", "passphrase", {"passphrase": NEW}).status_code == 204
    assert api.refresh(phone.refresh_token).status_code == 401
    assert api.refresh(ana.refresh_token).status_code == 200
    assert (api.sign_in(ana).status_code, api.sign_in(ana, NEW).status_code) == (401, 201)


def test_a_person_can_change_their_name(api, ana):
    assert change(api, api.confirmed(ana), "PUT", "name", {"name": "Ana Maria"}).status_code == 204
    assert api.request("GET", f"/v1/users/{ana.id}").json["name"] == "Ana Maria"


def test_a_script_has_its_scope_and_no_more(api, ana, eva):
    """It can neither delete a photo, nor end a session, nor change the account."""
    photo_id, reader, speaker = api.ready(eva), script(api, ana, "read"), script(api, ana, "say")
    own = api.ready(ana)
    feed, like = f"/v1/users/{ana.id}/feed", f"/v1/photos/{photo_id}/like"
    init = ("POST", "/v1/uploads/init")
    assert [api.request("GET", feed, user=one).status_code for one in (reader, speaker)] == [200, 403]
    assert [api.request("PUT", like, user=one).status_code for one in (reader, speaker)] == [403, 204]
    assert [api.request(*init, {}, one).status_code for one in (reader, script(api, ana, "upload"))] == [403, 400]
    everything = script(api, ana, "read", "upload", "say")
    assert api.request("DELETE", f"/v1/photos/{own}", user=everything).status_code == 403
    assert api.request("GET", f"/v1/users/{ana.id}/sessions", user=everything).status_code == 403
    confirm = api.request("POST", f"/v1/users/{ana.id}/confirmation", {"passphrase": PASSPHRASE}, everything)
    assert confirm.status_code == 403
    for method, what in CHANGES:
        assert change(api, everything, method, what).status_code == 403, what


def test_a_scripts_token_stays_the_same_until_its_end(api, ana):
    """Many runs of a script may use it at once. Its access tokens end with it."""
    user = script(api, ana, "read")
    for _ in range(3):
        assert api.refresh(user.refresh_token).json["refresh_token"] == user.refresh_token
    api.clock.advance(HOUR_MS - 60_000)
    last = replace(user, token=api.refresh(user.refresh_token).json["tokens"]["eu-west"])
    assert api.request("GET", f"/v1/users/{ana.id}/feed", user=last).status_code == 200
    api.clock.advance(61_000)
    assert api.request("GET", f"/v1/users/{ana.id}/feed", user=last).status_code == 401
    assert api.refresh(user.refresh_token).status_code == 401


def test_a_script_is_listed_and_can_be_ended(api, ana):
    """With the time when it was there last, to ten minutes."""
    user = script(api, ana, "read")
    api.clock.advance(11 * 60 * 1000)
    api.refresh(user.refresh_token)
    path = f"/v1/users/{ana.id}/sessions"
    [listed] = [one for one in api.request("GET", path, user=ana).json["items"] if one["is_script"]]
    assert (listed["id"], listed["label"], listed["scope"]) == (user.session, "Backup", ["read"])
    assert listed["used_at"] == rfc3339(api.clock.now_ms())
    assert api.request("DELETE", f"{path}/{user.session}", user=ana).status_code == 204
    assert api.refresh(user.refresh_token).status_code == 401


def test_only_a_session_that_had_tokens_is_announced_when_it_ends(api, ana):
    """So that nobody can fill the lists of all regions with sessions that were never used."""
    unused, used = script_token(api, ana).json["session"], script(api, ana, "read").session
    for session in (unused, used):
        api.request("DELETE", f"/v1/users/{ana.id}/sessions/{session}", user=ana)
    assert [one.session_id for one in api.catalog.ended_sessions.after(0, "", 9)] == [used]


@pytest.mark.parametrize(
    "changes",
    [
        *({"scope": scope} for scope in ([], ["delete"], ["account"], ["sessions", "read"], "read", [7], ["read"] * 9)),
        *({"ends_at": at} for at in (None, "", "soon", "2001-01-01T00:00:00Z", "9999-01-01T00:00:00Z", "2027-01-01")),
        {"label": ""},
    ],
)
def test_a_script_without_bounds_is_rejected(api, ana, changes):
    """A scope of the three, an end within a year, and a label."""
    assert script_token(api, ana, **changes).status_code == 400


def test_an_export_has_what_the_home_keeps_of_a_person(api, ana, eva):
    """In sections, each in pages."""
    own, liked = [api.ready(ana) for _ in range(3)], api.ready(eva)
    api.request("PUT", f"/v1/photos/{liked}/like", user=ana)
    api.request("POST", f"/v1/photos/{liked}/comments", {"text": "Lovely"}, ana)
    api.request("PUT", f"/v1/users/{ana.id}/following/{eva.id}", user=ana)
    confirmed = api.confirmed(ana)

    def section(name, **query):
        return change(api, confirmed, "GET", "export", section=name, **query).json

    [account] = section("account")["items"]
    assert (account["country"], account["residency_class"], account["recovery_codes_left"]) == ("PT", "eu", 10)
    first = section("photos", limit=2)
    second = section("photos", limit=2, before=first["next"])
    assert [one["id"] for one in first["items"] + second["items"]] == own[::-1] and second["next"] is None
    assert section("likes")["items"] == [liked] and section("following")["items"] == [eva.id]
    [comment] = section("comments")["items"]
    assert (comment["text"], comment["photo"]) == ("Lovely", liked)
    assert len(section("sessions")["items"]) == 1
    assert change(api, confirmed, "GET", "export", section="secrets").status_code == 400


def test_a_deleted_account_can_not_be_used_and_its_handle_not_taken(api, ana, eva):
    """Nobody can pose as this person afterwards. What is left to erase is listed for the janitor."""
    phone = api.signed_in(ana)
    assert change(api, api.confirmed(ana), "DELETE", "").status_code == 204
    assert api.request("GET", f"/v1/users/{ana.id}", user=eva).status_code == 404
    assert api.request("GET", f"/v1/users/{ana.id}/feed", user=ana).status_code == 401
    assert api.refresh(phone.refresh_token).status_code == 401
    assert api.sign_in(ana).status_code == 401
    assert recover(api, ana, ana.recovery_codes[0]).status_code == 401
    handle = ana.handle.partition("@")[0]
    body = {"handle": handle, "passphrase": NEW, "name": "Ana", "country": "PT"}
    assert api.request("POST", "/v1/users", body).status_code == 409
    user = api.catalog.users.get(ana.id)
    assert (user.name, user.country) == ("", "")
    assert api.catalog.credentials.of_user(ana.id) == []
    assert [user_id for user_id, _ in api.catalog.erasures.pending(None, 9)] == [ana.id]


def test_an_account_whose_closing_was_broken_off_gets_no_more_tokens(api, ana):
    """By a crash before its sessions ended. The janitor does the rest."""
    assert api.catalog.users.mark_deleted(ana.id, api.clock.now_ms())
    assert api.refresh(ana.refresh_token).status_code == 401
    assert api.sign_in(ana).status_code == 401
    assert recover(api, ana, ana.recovery_codes[0]).status_code == 401
    assert api.request("GET", f"/v1/users/{ana.id}").status_code == 404
    assert api.request("GET", f"/v1/users/{ana.id}/sessions", user=ana).status_code == 404


def test_a_user_of_the_version_before_has_a_profile_and_can_not_sign_in(api, unused_id, eva):
    """Until an operator issues a recovery code."""
    old = User(unused_id("u"), "Olga", "PT", "eu", "eu-west", 7)
    api.catalog.users.add(old)
    assert api.request("GET", f"/v1/users/{old.user_id}").json["handle"] is None
    assert api.request("PUT", f"/v1/users/{eva.id}/following/{old.user_id}", user=eva).status_code == 204
    assert api.request("POST", "/v1/sessions", {"handle": "@eu-west", "passphrase": PASSPHRASE}).status_code == 400
