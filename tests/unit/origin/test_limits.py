"""What anybody may do in a while: refusals leave no trace, floods are bounded, and who is counted together."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from falcon.testing import TestClient

from origin import limits
from origin.app import create
from origin.limits import BY_ROUTE, network_of
from origin.scopes import NEEDED
from regions.image_limits import MAX_RAW_BYTES
from regions.stores.gcra import cost_us
from regions.stores.limits import Limit, Standing, Unit, Wanted
from tests.builders.accounts import PASSPHRASE, sign_up_body
from tests.builders.uploads import expired_uploads

READS = ("GET",)
FOR_SERVERS = {
    ("POST", "/v1/tombstones"),
    ("POST", "/border/v1/details"),
    ("POST", "/border/v1/ended-sessions"),
}
ENDS_SOMETHING = {
    ("DELETE", "/v1/users/{user_id}"),
    ("DELETE", "/v1/users/{user_id}/sessions"),
    ("DELETE", "/v1/users/{user_id}/sessions/{session_id}"),
    ("DELETE", "/v1/uploads/{upload_id}"),
    ("POST", "/v1/uploads/{upload_id}/complete"),
    ("DELETE", "/v1/photos/{photo_id}"),
    ("DELETE", "/v1/photos/{photo_id}/comments/{comment_id}"),
}
"""What can be done once for each thing that was made under a limit."""
PHOTO = {"filename": "a.jpg", "size_bytes": 100_000_000, "content_type": "image/jpeg"}


class NothingLeft:
    """RateLimits that somebody has used up; and again in 7.2 s."""

    def take(self, wanted):
        return [Standing(one.limit, 0, 60.5, 7.2) for one in wanted]


def contents_of(folder: Path) -> list[object]:
    """All that the region's stores hold."""
    rows: list[object] = []
    for path in sorted(folder.glob("*.db")):
        with closing(sqlite3.connect(path)) as connection:
            rows += connection.iterdump()
    return [*rows, *sorted(path for path in (folder / "objects").rglob("*") if "tmp" not in path.parts)]


def statuses(responses: Sequence[object]) -> list[int]:
    return [response.status_code for response in responses]


def test_each_route_that_changes_something_has_a_limit_or_a_reason_why_not():
    changing = {route for route in NEEDED if route[0] not in READS}
    assert changing == set(BY_ROUTE) | FOR_SERVERS | ENDS_SOMETHING
    assert not set(BY_ROUTE) & (FOR_SERVERS | ENDS_SOMETHING)


def test_limits_have_names_of_their_own_and_cover_the_largest_request():
    each = {one.limit for several in BY_ROUTE.values() for one in several}
    assert len({one.name for one in each}) == len(each)
    assert all(one.most >= MAX_RAW_BYTES for one in each if one.unit is Unit.BYTES)


def test_each_request_counts_also_alone():
    """A unit needs at least a microsecond to come back; one that needs less is never counted (`gcra.cost_us`)."""
    each = {one.limit for several in BY_ROUTE.values() for one in several if one.limit.unit is not Unit.BYTES}
    assert not [one for one in each if cost_us(Wanted(one, "")) < 1]


def test_a_refusal_leaves_no_trace_and_says_when_to_come_again(api, ana, eva, tmp_path):
    """Whatever the route: with the request that would do something if the limit were not used up."""
    confirmed, photo_id = api.confirmed(ana), api.ready(ana)
    values = {"user_id": ana.id, "photo_id": photo_id, "author_id": eva.id}
    credentials = {"handle": ana.handle, "passphrase": PASSPHRASE, "name": "Ann", "text": "Nice"}
    recovery = {"recovery_code": ana.recovery_codes[0], "new_passphrase": "another four words"}
    at_border = {"residency_class": "world", "offers": [{}], "deletions": [{}], "records": [{}]}
    script = {"scope": ["read"], "ends_at": "2027-01-01T00:00:00Z", "label": "script"}
    refresh = {"refresh_token": ana.refresh_token}
    before = contents_of(tmp_path / "eu-west")
    api.client = TestClient(create(replace(api.context, limits=NothingLeft())))
    for method, route in BY_ROUTE:
        body = PHOTO | credentials | recovery | script | refresh | at_border
        body = sign_up_body(handle="zoe") if route == "/v1/users" else body
        node = "us-central" if route.startswith("/border/") else None
        response = api.request(method, route.format(**values), body, confirmed, node)
        assert (response.status_code, response.headers["Retry-After"]) == (429, "8"), (method, route, response.text)
        assert response.json["type"].endswith("too-many-requests")
        assert response.json["limit"] in {one.limit.name for one in BY_ROUTE[method, route]}
        assert "try again in 8 s" in response.json["detail"]
        assert response.headers["RateLimit"].startswith(f'"{BY_ROUTE[method, route][0].limit.name}";r=0;t=61')
    assert contents_of(tmp_path / "eu-west") == before


def test_a_response_says_what_is_left(api, ana):
    """In the fields of the draft: policies with their quota and window, and how each stands."""
    response = api.request("POST", "/v1/uploads/init", PHOTO | {"size_bytes": 1_000_000}, ana)
    assert response.headers["RateLimit-Policy"].split(", ")[:2] == [
        '"uploads";q=2000;w=3600',
        '"bytes";q=214748364800;w=86400;qu="content-bytes"',
    ]
    left = response.headers["RateLimit"].split(", ")
    assert left[0] == '"uploads";r=1999;t=2'
    assert left[2] == '"unfinished";r=199;t=432'


def test_one_who_begins_uploads_without_end_is_bounded_and_others_are_not(api, ana, eva, tmp_path):
    """Of 1,500 uploads of 100 MB each that are begun at once, about a hundred are, and nothing is kept of the rest."""
    begun = statuses(api.request("POST", "/v1/uploads/init", PHOTO, ana) for _ in range(1500))
    assert (begun.count(200), begun.count(429)) == (107, 1393)
    assert len(expired_uploads(api.catalog, 1 << 50)) == 107
    assert len(list((tmp_path / "eu-west" / "objects" / "multipart").iterdir())) == 107
    assert api.request("POST", "/v1/uploads/init", PHOTO, eva).status_code == 200


def test_one_who_finishes_their_uploads_may_go_on(api, ana):
    """Four hundred photos, one after another, of which as many as may be unfinished at once are never unfinished."""
    for _ in range(400):
        photo_id = api.start_upload(ana)["photo_id"]
        assert api.complete(ana, photo_id, [api.put(photo_id, 1, b"a picture")]).status_code == 201


def test_an_upload_that_is_deleted_is_unfinished_no_more(api, ana):
    for _ in range(250):
        upload_id = api.start_upload(ana)["upload_id"]
        assert api.request("DELETE", f"/v1/uploads/{upload_id}", user=ana).status_code == 204


def test_ending_an_upload_twice_gives_nothing_back_twice(api, ana):
    uploads = [api.start_upload(ana)["upload_id"] for _ in range(200)]
    assert api.request("POST", "/v1/uploads/init", PHOTO, ana).status_code == 429
    parts = [api.put(uploads[0], 1, b"a picture")]
    for _ in range(3):
        assert api.complete(ana, uploads[0], parts).status_code == 201
        api.request("DELETE", f"/v1/uploads/{uploads[1]}", user=ana)
    begun = statuses(api.request("POST", "/v1/uploads/init", PHOTO | {"size_bytes": 9}, ana) for _ in range(4))
    assert begun == [200, 200, 429, 429]


def test_an_upload_that_could_not_be_begun_costs_nothing(api, ana, tmp_path):
    """So that an outage of a store does not use up what somebody has left."""
    folder = tmp_path / "eu-west" / "objects" / "multipart"
    folder.rename(folder.with_name("away"))
    failed = statuses(api.request("POST", "/v1/uploads/init", PHOTO, ana) for _ in range(300))
    assert set(failed) == {503}
    folder.with_name("away").rename(folder)
    assert api.request("POST", "/v1/uploads/init", PHOTO, ana).status_code == 200


def test_an_upload_that_is_begun_twice_with_one_key_is_counted_once(api, ana):
    headers = {"Authorization": f"Bearer {ana.token}", "Idempotency-Key": "0123456789abcdef"}
    for _ in range(300):
        response = api.client.simulate_post("/v1/uploads/init", json=PHOTO, headers=headers)
    assert '"unfinished";r=198;' in response.headers["RateLimit"]


def test_a_flood_of_sign_ups_is_bounded_for_each_network(api):
    """Five hundred in two seconds: ten at once, and two more each second."""
    made = 0
    for number in range(500):
        api.clock.advance(4)
        made += api.request("POST", "/v1/users", sign_up_body(handle=f"bot_{number}")).status_code == 201
    assert 13 <= made <= 14
    for number in range(300):
        api.clock.advance(500)
        made += api.request("POST", "/v1/users", sign_up_body(handle=f"more_{number}")).status_code == 201
    assert 200 <= made <= 210
    assert api.request("POST", "/v1/users", sign_up_body(), connection="198.51.100.7").status_code == 201


def test_a_client_is_counted_by_the_address_that_a_proven_edge_names(api):
    """And by that of its connection, whatever it says, if no edge proves that it speaks."""
    for number in range(220):
        api.clock.advance(500)
        body = sign_up_body(handle=f"a_{number}")
        response = api.request("POST", "/v1/users", body, node="lisbon", client="2001:db8::1")
    assert response.status_code == 429
    for client, connection, node, status in [
        ("2001:db8::2", "192.0.2.1", "lisbon", 429),  # the same /64
        ("2001:db8:0:1::1", "192.0.2.1", "lisbon", 201),
        ("203.0.113.5", "2001:db8::1", None, 429),
        ("2001:db8::1", "192.0.2.1", None, 201),
        (None, "2001:db8::1", "lisbon", 201),  # an edge that names nobody counts as one client
    ]:
        body = sign_up_body(handle=f"b_{connection.count(':')}_{status}_{node}_{client is None}".lower())
        response = api.request("POST", "/v1/users", body, node=node, client=client, connection=connection)
        assert response.status_code == status, (client, connection, node, response.text)


def test_guessing_a_passphrase_ends_soon_and_does_not_keep_its_owner_out(api, ana):
    guesses = statuses(api.sign_in(ana, f"guess number {number}") for number in range(50))
    assert (guesses.count(401), guesses.count(429)) == (20, 30)
    body = {"handle": ana.handle, "passphrase": PASSPHRASE}
    assert api.request("POST", "/v1/sessions", body).status_code == 429
    assert api.request("POST", "/v1/sessions", body, connection="198.51.100.7").status_code == 201
    api.clock.advance(60_000)
    assert api.sign_in(ana).status_code == 201


def test_guessing_from_many_networks_ends_too(api, ana):
    body = {"handle": ana.handle, "passphrase": "not hers at all"}
    guesses = [api.request("POST", "/v1/sessions", body, connection=f"198.51.{n % 250}.1") for n in range(250)]
    assert statuses(guesses).count(401) == 200


def test_an_unknown_handle_is_limited_as_a_known_one_is(api):
    """So that a limit says nothing of who is here."""
    body = {"handle": "nobody@eu-west", "passphrase": "not theirs at all"}
    assert statuses(api.request("POST", "/v1/sessions", body) for _ in range(21)) == [401] * 20 + [429]


def test_one_who_knows_the_passphrase_may_sign_in_often(api, ana):
    """What was taken for a guess is given back."""
    for _ in range(60):
        api.clock.advance(400)
        assert api.sign_in(ana).status_code == 201
    confirmation = f"/v1/users/{ana.id}/confirmation"
    newest = api.signed_in(ana)
    confirmed = (api.request("POST", confirmation, {"passphrase": PASSPHRASE}, newest) for _ in range(40))
    assert statuses(confirmed) == [200] * 40


def test_nobody_else_can_use_up_the_refreshes_of_a_session(api, ana):
    user_id, session_id, _, secret = ana.refresh_token.split(".")
    for _ in range(200):
        assert api.refresh(f"{user_id}.{session_id}.{'A' * 22}.{secret}").status_code in (401, 429)
    assert api.refresh(ana.refresh_token).status_code == 200


def test_a_flood_of_comments_is_bounded(api, ana, eva):
    path = f"/v1/photos/{api.ready(ana)}/comments"
    commented = statuses(api.request("POST", path, {"text": "Buy!"}, eva) for _ in range(150))
    assert (commented.count(201), commented.count(429)) == (100, 50)
    assert api.request("POST", path, {"text": "Thank you"}, ana).status_code == 201


def test_what_can_not_be_understood_costs_nothing(api, ana):
    for _ in range(300):
        assert api.request("POST", "/v1/uploads/init", PHOTO | {"size_bytes": 0}, ana).status_code == 400
    assert '"uploads";r=1999;' in api.request("POST", "/v1/uploads/init", PHOTO, ana).headers["RateLimit"]


def test_what_is_kept_names_nobody(api, ana):
    """Neither a user nor an address: keys are keyed hashes, which only this region can make."""
    kept: list[str] = []

    class Recording(NothingLeft):
        def take(self, wanted):
            kept.extend(one.key for one in wanted)
            return [Standing(one.limit, 1, 0.0) for one in wanted]

        def give_back(self, wanted):
            pass

    for context in (api.context, replace(api.context, user_keys={"k0": next(iter(api.context.user_keys.values()))})):
        api.client = TestClient(create(replace(context, limits=Recording())))
        api.request("POST", "/v1/uploads/init", PHOTO, ana)
        api.sign_in(ana)
    assert len(kept) == 16
    assert all(len(key) == 32 and ana.id[2:] not in key for key in kept)


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("fe80::1%eth0", "fe80::/64"),
        ("lisbon", "lisbon"),
        ("", ""),
        ("x" * 500, "x" * 64),
    ],
)
def test_a_subscriber_is_an_address_or_with_ipv6_a_network(address, network):
    assert network_of(address) == network


def test_a_refusal_names_the_limit_that_one_must_wait_longest_for():
    several = (limits.UPLOADS, limits.UNFINISHED)
    standings = [Standing(limits.UPLOADS.limit, 0, 9.0, 2.0), Standing(limits.UNFINISHED.limit, 0, 900.0, 431.2)]
    refusal = limits.refusal(several, standings)
    assert (refusal.members["limit"], refusal.retry_after_s) == ("unfinished", 432)
    assert limits.refusal(several[:1], [Standing(Limit("any", 1, 1), 0, 0.1, 0.001)]).retry_after_s == 1
