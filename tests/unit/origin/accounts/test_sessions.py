"""Signing in, refreshing, the list of sessions, and that an ended one is worth nothing."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from origin.accounts.revocation import Position
from origin.app import revocation_readers
from regions.errors import Unavailable
from regions.stores.accounts import MAX_SESSIONS
from tests.builders.accounts import PASSPHRASE

KEY = "a-random-key-of-the-client"
DAY_MS = 24 * 3600 * 1000


def feed(api, user):
    return api.request("GET", f"/v1/users/{user.id}/feed", user=user).status_code


def sessions(api, user):
    return api.request("GET", f"/v1/users/{user.id}/sessions", user=user).json["items"]


def end(api, user, session=""):
    path = f"/v1/users/{user.id}/sessions"
    return api.request("DELETE", f"{path}/{session}" if session else path, user=user).status_code


def test_the_passphrase_signs_in(api, ana):
    """In a session of its own, with a label."""
    again = api.signed_in(ana, label="Phone")
    assert again.id == ana.id and again.session != ana.session
    assert feed(api, again) == feed(api, ana) == 200
    assert {one["label"] for one in sessions(api, ana)} == {"", "Phone"}


def test_the_passphrase_is_the_same_however_its_letters_are_composed(api):
    """A keyboard may send é as one code point or as two."""
    body = {"handle": "rene", "passphrase": "ten caf\u00e9s in Lisbon", "name": "René", "country": "PT"}
    assert api.request("POST", "/v1/users", body).status_code == 201
    other = {"handle": "rene@eu-west", "passphrase": "ten cafe\u0301s in Lisbon"}
    assert api.request("POST", "/v1/sessions", other).status_code == 201


def test_a_wrong_passphrase_and_an_unknown_handle_get_the_same_answer(api, ana):
    """So that nobody learns which handles exist."""
    wrong = api.sign_in(ana, PASSPHRASE + "!")
    unknown = api.request("POST", "/v1/sessions", {"handle": "nobody@eu-west", "passphrase": PASSPHRASE})
    assert wrong.status_code == unknown.status_code == 401
    assert wrong.json == unknown.json


@pytest.mark.parametrize("handle", ["ana", "ana@", "@eu-west", "ana@mars", "Ana@eu-west", "a" * 90, "", None, 7])
def test_a_handle_that_names_no_home_is_rejected(api, handle):
    assert api.request("POST", "/v1/sessions", {"handle": handle, "passphrase": PASSPHRASE}).status_code == 400


def test_a_handle_of_another_region_is_sent_there(api):
    """421 names the region and its shield. The passphrase is not looked at."""
    response = api.request("POST", "/v1/sessions", {"handle": "bob@us-central", "passphrase": PASSPHRASE})
    assert (response.status_code, response.json["url"]) == (421, "http://chicago.test")


def test_no_account_route_answers_through_another_edge_than_the_homes_shield(api, ana):
    """Sydney is far; Frankfurt is another region's shield."""
    path = f"/v1/users/{ana.id}"
    routes = [
        ("POST", "/v1/users"), ("POST", "/v1/sessions"), ("POST", "/v1/sessions/refresh"),
        ("POST", "/v1/sessions/recovery"), ("GET", f"{path}/sessions"), ("DELETE", f"{path}/sessions"),
        ("DELETE", f"{path}/sessions/{ana.session}"), ("POST", f"{path}/confirmation"),
        ("POST", f"{path}/script-tokens"), ("POST", f"{path}/recovery-codes"), ("PUT", f"{path}/passphrase"),
        ("PUT", f"{path}/name"), ("GET", f"{path}/export"), ("DELETE", path),
    ]  # fmt: skip
    for method, route in routes:
        for node in ("sydney", "frankfurt"):
            response = api.request(method, route, {}, ana, node)
            assert (response.status_code, response.json["url"]) == (421, "http://lisbon.test"), (method, route)
        assert api.request(method, route, {}, ana, "lisbon").status_code != 421


def test_the_home_issues_a_token_for_each_region_that_a_client_meets(api, us_api, ana):
    """Each is good at its region, and worth nothing at the other."""
    tokens = api.refresh(ana.refresh_token, regions=["us-central", "eu-west"]).json["tokens"]
    photo_id = us_api.ready(us_api.sign_up("Bob", "US"))
    for region, status in (("us-central", 204), ("eu-west", 401)):
        headers = {"Authorization": f"Bearer {tokens[region]}"}
        response = us_api.client.simulate_put(f"/v1/photos/{photo_id}/like", headers=headers)
        assert response.status_code == status


@pytest.mark.parametrize("regions", [["mars"], [7], "eu-west", ["eu-west"] * 65, {}])
def test_there_are_tokens_for_regions_only(api, ana, regions):
    assert api.refresh(ana.refresh_token, regions=regions).status_code == 400


def test_a_refresh_token_is_exchanged_once(api, ana):
    """The new one goes on; the old one, used again, ends the session and all its tokens."""
    second = api.refreshed(ana)
    third = api.refreshed(second)
    assert feed(api, third) == 200
    assert api.refresh(second.refresh_token).status_code == 401
    assert api.refresh(third.refresh_token).status_code == 401
    api.signed_in(ana)
    assert api.catalog.sessions.get(ana.id, ana.session).ended_at_ms is not None


def test_a_very_old_refresh_token_ends_the_session_too(api, ana):
    """Somebody who copied it may have exchanged it many times since."""
    newest = ana
    for _ in range(5):
        newest = api.refreshed(newest)
    assert api.refresh(ana.refresh_token).status_code == 401
    assert api.refresh(newest.refresh_token).status_code == 401


def test_who_knows_no_refresh_token_can_not_end_a_session(api, ana):
    """User and session are in the access tokens, which other regions receive."""
    user, session, _, secret = ana.refresh_token.split(".")
    for text in (f"{user}.{session}.{'A' * 22}.{secret}", f"{user}.{session}.{'A' * 22}.{'A' * 43}", "", "x", "." * 3):
        assert api.refresh(text).status_code in (400, 401)
    assert api.refresh(ana.refresh_token).status_code == 200


def test_the_same_refresh_sent_twice_gets_the_same_answer(api, ana):
    """A client that lost the answer, or died before it kept it, sends the request again with its key."""
    first, again = api.refresh(ana.refresh_token, KEY).json, api.refresh(ana.refresh_token, KEY).json
    assert first["refresh_token"] == again["refresh_token"] != ana.refresh_token
    assert api.refresh(first["refresh_token"]).status_code == 200


def test_a_repeated_refresh_is_a_reuse_once_its_answer_was_used(api, ana):
    """The client had the answer, so that this is somebody else."""
    first = api.refresh(ana.refresh_token, KEY).json
    assert api.refresh(first["refresh_token"], KEY + "2").status_code == 200
    assert api.refresh(ana.refresh_token, KEY).status_code == 401
    assert api.catalog.sessions.get(ana.id, ana.session).ended_at_ms is not None


def test_the_same_refresh_sent_by_many_threads_at_once_gets_one_answer(api, ana):
    """Whichever is first: the others are the same request."""
    with ThreadPoolExecutor(6) as threads:
        answers = list(threads.map(lambda _: api.refresh(ana.refresh_token, KEY).json, range(12)))
    assert len({answer["refresh_token"] for answer in answers}) == 1
    assert api.refresh(answers[0]["refresh_token"]).status_code == 200


def test_of_two_who_refresh_at_once_one_gets_an_answer_and_then_both_are_out(api, ana):
    """One of them has a copy, and nobody knows which."""
    with ThreadPoolExecutor(2) as threads:
        statuses = list(threads.map(lambda key: api.refresh(ana.refresh_token, key).status_code, (KEY, KEY + "2")))
    assert sorted(statuses) == [200, 401]
    assert api.catalog.sessions.get(ana.id, ana.session).ended_at_ms is not None


def test_another_key_is_another_request(api, ana):
    """So a copied token is of no use without the key that went with it."""
    assert api.refresh(ana.refresh_token, KEY).status_code == 200
    assert api.refresh(ana.refresh_token, KEY + "2").status_code == 401


@pytest.mark.parametrize("key", ["short", "x" * 65, "spaces are no letters"])
def test_a_key_that_can_be_guessed_is_rejected(api, ana, key):
    assert api.refresh(ana.refresh_token, key).status_code == 400


def test_a_session_that_is_not_used_for_ninety_days_has_ended(api, ana):
    """The account has not: the passphrase signs in, whenever that is."""
    api.clock.advance(89 * DAY_MS)
    later = api.refreshed(ana)
    api.clock.advance(90 * DAY_MS)
    assert api.refresh(later.refresh_token).status_code == 401
    api.clock.advance(3000 * DAY_MS)
    assert api.sign_in(ana).status_code == 201


def test_an_ended_session_is_worth_nothing_at_once(api, ana):
    """Neither its refresh token nor its access token, at the origin that ended it."""
    phone = api.signed_in(ana)
    assert end(api, ana, phone.session) == 204
    assert feed(api, phone) == 401
    assert api.refresh(phone.refresh_token).status_code == 401
    assert feed(api, ana) == 200 and len(sessions(api, ana)) == 1
    assert end(api, ana, phone.session) == end(api, ana, "s_nothing") == 204


def test_signing_out_is_ending_ones_own_session(api, ana):
    assert end(api, ana, ana.session) == 204
    assert feed(api, ana) == 401


def test_all_other_sessions_end_at_once(api, ana):
    """All but the one that asks."""
    others = [api.signed_in(ana) for _ in range(3)]
    assert end(api, ana) == 204
    assert [feed(api, other) for other in others] == [401] * 3
    assert [one["is_current"] for one in sessions(api, ana)] == [True]


def test_nobody_sees_or_ends_another_users_sessions(api, ana, eva):
    path = f"/v1/users/{ana.id}/sessions"
    for method, route in (("GET", path), ("DELETE", path), ("DELETE", f"{path}/{ana.session}")):
        assert api.request(method, route, user=eva).status_code == 403
        assert api.request(method, route).status_code == 401
    assert feed(api, ana) == 200


def test_nobody_ends_another_users_session_by_its_id(api, ana, eva):
    """Which is in every access token. Nor does anybody fill the list of what has ended with ids that they made up."""
    path, others = f"/v1/users/{eva.id}/sessions", [ana.session, "s_nothing", "x" * 40, "x" * 41]
    for session in others:
        assert api.request("DELETE", f"{path}/{session}", user=eva).status_code == 204
    assert feed(api, ana) == 200 and api.refresh(ana.refresh_token).status_code == 200
    assert not any(api.context.revoked.has("eu-west", session[:40]) for session in others)
    assert api.catalog.ended_sessions.after(0, "", 9) == []


def test_a_user_has_a_bounded_number_of_sessions(api, ana):
    """The one that was used least recently makes room."""
    for _ in range(MAX_SESSIONS):
        api.clock.advance(1_000)
        last = api.signed_in(ana)
    assert len(sessions(api, last)) == MAX_SESSIONS
    assert api.refresh(ana.refresh_token).status_code == 401


def test_other_processes_and_regions_learn_of_an_end(api, us_api, ana, serve):
    """From the catalog, and from the home's origin. A region learns only of sessions that had tokens for it."""
    abroad, only_here = api.token_for("us-central", ana), api.signed_in(ana)
    [session] = [one["id"] for one in sessions(api, ana) if one["regions"] == ["us-central"]]
    api.context.ends.end_all(ana.id)
    photo_id = us_api.ready(us_api.sign_up("Bob", "US"))

    def like():
        return us_api.request("PUT", f"/v1/photos/{photo_id}/like", user=abroad).status_code

    assert like() == 204 and feed(api, ana) == 200
    with serve(api):
        for reader in (*revocation_readers(api.context)[:1], *revocation_readers(us_api.context)[:1]):
            reader.run_once()
    assert like() == 401 and feed(api, ana) == 401
    assert us_api.context.revoked.has("eu-west", session)
    assert not us_api.context.revoked.has("eu-west", only_here.session)


def answers(status, body):
    def respond(environ, start_response):
        start_response(f"{status} Whatever", [("Content-Type", "application/json")])
        return [body]

    return respond


@pytest.mark.parametrize(
    ("status", "body"),
    [(200, b"{"), (200, b"[" * 100_000), (200, b'{"items": [], "next": null}' + b" " * (1 << 20)), (500, b"{}"),
     (200, b"\xff"), (404, b'{"items": [], "next": null}')],
)  # fmt: skip
def test_a_home_that_answers_nonsense_is_unavailable(api, us_api, serve, status, body):
    """Nothing it sends ends the loop that asks it, or fills the memory."""
    reader = revocation_readers(us_api.context)[0]
    with serve(api, answers(status, body)), pytest.raises(Unavailable):
        reader.run_once()


def test_a_home_that_is_away_is_unavailable(us_api, servers):
    servers["eu-west"].server_close()
    with pytest.raises(Unavailable):
        revocation_readers(us_api.context)[0].run_once()


def test_ended_sessions_are_for_regions(api, ana):
    """Neither for edges nor for people."""
    body = {"after_ms": 0, "after": ""}
    assert api.request("POST", "/border/v1/ended-sessions", body, node="us-central").json == {"items": [], "next": None}
    assert api.request("POST", "/border/v1/ended-sessions", body, node="lisbon").status_code == 403
    assert api.request("POST", "/border/v1/ended-sessions", body, user=ana).status_code == 401
    assert Position(1, "b") > Position(1, "a") > Position(0, "z")
