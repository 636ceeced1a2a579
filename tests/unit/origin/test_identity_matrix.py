"""Identity × route × place × state of the statement: who is answered what. The expectations are written by hand.

A route without a row fails, so that nobody adds one without saying who may use it.
"""

import itertools
from dataclasses import replace

import jwt
import pytest
from falcon import inspect
from falcon.testing import TestClient

from origin.app import create
from regions import node_tokens
from regions.node_tokens import Call
from regions.residency.chain import Links
from regions.residency.statement import Kind, Purpose
from regions.stores.settings import STATEMENT
from tests.builders.accounts import PASSPHRASE, sign_up_body
from tests.builders.statements import POLICY_TEXT, Compliance, node_key, place

NODES = ("", "sydney", "lisbon", "frankfurt", "us-central")
"""Nobody, a far edge, this region's shield, another region's shield, and another region."""

OPEN = (True, True, True, True, True)
HOME_SHIELD = (True, 421, True, 421, 421)
SHIELD = (401, 403, True, 403, 403)
EDGES = (401, True, True, True, 403)
REGIONS = (401, 403, 403, 403, True)
PLACES = (401, True, True, True, True)

ROWS = {
    "GET /health": OPEN,
    "GET /v1/homes": OPEN,
    "POST /v1/users": HOME_SHIELD,
    "POST /v1/sessions": HOME_SHIELD,
    "POST /v1/sessions/refresh": HOME_SHIELD,
    "POST /v1/sessions/recovery": HOME_SHIELD,
    "GET /v1/users/{user_id}/sessions": HOME_SHIELD,
    "DELETE /v1/users/{user_id}/sessions": HOME_SHIELD,
    "DELETE /v1/users/{user_id}/sessions/{session_id}": HOME_SHIELD,
    "POST /v1/users/{user_id}/confirmation": HOME_SHIELD,
    "POST /v1/users/{user_id}/script-tokens": HOME_SHIELD,
    "POST /v1/users/{user_id}/recovery-codes": HOME_SHIELD,
    "PUT /v1/users/{user_id}/passphrase": HOME_SHIELD,
    "PUT /v1/users/{user_id}/name": HOME_SHIELD,
    "GET /v1/users/{user_id}/export": HOME_SHIELD,
    "DELETE /v1/users/{user_id}": HOME_SHIELD,
    "GET /v1/users/{user_id}": OPEN,
    "GET /v1/users/{user_id}/photos": OPEN,
    "GET /v1/users/{user_id}/feed": OPEN,
    "GET /v1/users/{user_id}/following": OPEN,
    "PUT /v1/users/{user_id}/following/{author_id}": OPEN,
    "DELETE /v1/users/{user_id}/following/{author_id}": OPEN,
    "POST /v1/uploads/init": OPEN,
    "GET /v1/uploads/{upload_id}": OPEN,
    "DELETE /v1/uploads/{upload_id}": OPEN,
    "POST /v1/uploads/{upload_id}/complete": OPEN,
    "GET /v1/photos/{photo_id}": OPEN,
    "DELETE /v1/photos/{photo_id}": OPEN,
    "PUT /v1/photos/{photo_id}/like": OPEN,
    "DELETE /v1/photos/{photo_id}/like": OPEN,
    "GET /v1/photos/{photo_id}/likes": OPEN,
    "GET /v1/photos/{photo_id}/comments": OPEN,
    "POST /v1/photos/{photo_id}/comments": OPEN,
    "DELETE /v1/photos/{photo_id}/comments/{comment_id}": OPEN,
    "GET /v1/grants/{photo_id}/{name}": SHIELD,
    "POST /v1/tombstones": EDGES,
    "POST /border/v1/details": REGIONS,
    "POST /border/v1/ended-sessions": REGIONS,
    "GET /border/v1/statement": PLACES,
    "GET /border/v1/statement/{hash}": PLACES,
    "PUT /border/v1/offers": REGIONS,
    "PUT /border/v1/arrivals": REGIONS,
    "PUT /border/v1/deletions": REGIONS,
    "PUT /border/v1/records": REGIONS,
    "PUT /border/v1/followers/{author_id}": REGIONS,
}
"""For each node, whether the handler itself answers (True), or with which status it is refused."""

GUARDED = (
    "GET /v1/photos/{photo_id}",
    "GET /v1/photos/{photo_id}/likes",
    "GET /v1/photos/{photo_id}/comments",
    "GET /v1/users/{user_id}",
    "PUT /v1/photos/{photo_id}/like",
    "POST /v1/photos/{photo_id}/comments",
)
"""What shows one photo or profile, or is about one: 451 or 503 where that may not be served."""

TAKEN_BACK = ("DELETE /v1/photos/{photo_id}/like", "DELETE /v1/photos/{photo_id}/comments/{comment_id}")
"""What takes back a like or a comment: 204 in every state, through each place that the statement lists."""

LISTS = ("GET /v1/users/{user_id}/photos", "GET /v1/users/{user_id}/feed")
"""What lists photos: without those that may not be served."""

BODIES = {
    "POST /v1/users": sign_up_body(),
    "POST /v1/uploads/init": {"filename": "a.jpg", "size_bytes": 9, "content_type": "image/jpeg"},
    "POST /v1/photos/{photo_id}/comments": {"text": "Hello"},
    "POST /v1/tombstones": {"after": {}},
    "POST /border/v1/details": {"ids": ["p_00000000001"]},
    "POST /border/v1/ended-sessions": {"after_ms": 0},
    "PUT /border/v1/offers": {"offers": []},
    "PUT /border/v1/arrivals": {"offers": []},
    "PUT /border/v1/deletions": {"deletions": []},
    "PUT /border/v1/records": {"records": []},
    "PUT /border/v1/followers/{author_id}": {"residency_class": "world"},
}
REFUSALS = (401, 403, 421)


@pytest.fixture
def things(api, ana, eva):
    """An existing thing for each kind of argument. Eva follows Ana, whose photo is in her feed."""
    api.request("PUT", f"/v1/users/{eva.id}/following/{ana.id}", user=eva)
    photo_id = api.ready(ana)
    api.context.stores.feeds.add(photo_id, [eva.id])
    comment = api.request("POST", f"/v1/photos/{photo_id}/comments", {"text": "Hello"}, ana).json
    return {
        "user_id": ana.id, "author_id": eva.id, "photo_id": photo_id, "comment_id": comment["id"],
        "upload_id": api.start_upload(ana)["upload_id"], "name": "640.jpg", "session_id": ana.session,
        "hash": api.context.rules.current().in_force.hash,
    }  # fmt: skip


@pytest.fixture
def send(api, things, ana, eva, unused_id):
    """`send("GET /v1/photos/{photo_id}", "sydney")`: the response, to Ana, or to Eva where a feed is asked for.

    At the border us-central speaks for a photo of its own.
    """
    theirs = things | {"photo_id": unused_id("p", 2)}

    def send(route, node, user=ana):
        method, path = route.split(" ")
        if path.endswith("/feed"):
            return api.request(method, path.format(user_id=eva.id), user=eva, node=node or None)
        body = BODIES.get(route)
        if route == "POST /v1/sessions":
            body = {"handle": ana.handle, "passphrase": PASSPHRASE}
        named = theirs if path.startswith("/border/") else things
        return api.request(method, path.format(**named), body, user, node or None)

    return send


def routes(api) -> set[str]:
    found = inspect.inspect_routes(api.client.app)
    return {f"{one.method} {route.path}" for route in found for one in route.methods if not one.internal}


def test_each_route_has_a_row(api):
    """Who adds one says who may use it."""
    assert routes(api) == set(ROWS)


@pytest.mark.parametrize(("route", "number"), [(route, number) for route in ROWS for number in range(len(NODES))])
def test_who_asks_is_answered_as_the_row_says(send, route, number):
    """Where the handler itself answers, it may still want another body or token; none of these refusals is its own."""
    expected, response = ROWS[route][number], send(route, NODES[number])
    if expected is True:
        assert response.status_code not in REFUSALS or needs_more(response), response.text
    else:
        assert response.status_code == expected, response.text


def needs_more(response) -> bool:
    """The handler asks for a passphrase or a token that this test does not have."""
    return response.json.get("needs") == "confirmation" or response.json["detail"].startswith(("the refresh", "handle"))


def invalid_tokens(api, method, path, body):
    """By what is wrong with each: tokens that prove nothing for this request."""
    now_s, good = api.clock.now_ms() // 1000, Call("eu-west", method, path, body)
    others = {
        "another receiver": Call("us-central", method, path, body),
        "another method": Call("eu-west", "PATCH", path, body),
        "another path": Call("eu-west", method, path + "x", body),
        "another body": Call("eu-west", method, path, body + b" "),
        "for a presenter": Call("eu-west", method, path, body, "frankfurt"),
    }
    issued = {what: node_tokens.issue("lisbon", "k1", node_key("lisbon"), call, now_s) for what, call in others.items()}
    for what, at_s in (("90 s ahead", now_s + 90), ("31 s ahead", now_s + 31), ("31 s old", now_s - 31)):
        issued[what] = node_tokens.issue("lisbon", "k1", node_key("lisbon"), good, at_s)
    claims = jwt.decode(api.node_token("lisbon", good), options={"verify_signature": False})
    in_thirty_years = claims | {"exp": now_s + 30 * 365 * 86_400}
    return issued | {
        "for thirty years": jwt.encode(in_thirty_years, node_key("lisbon"), algorithm="EdDSA", headers={"kid": "k1"}),
        "unsigned": jwt.encode(claims, None, algorithm="none", headers={"kid": "k1"}),
        "garbage": "x",
        "empty": "",
        "another node's key": node_tokens.issue("lisbon", "k1", node_key("sydney"), good, now_s),
        "an unknown key": node_tokens.issue("lisbon", "k2", node_key("lisbon"), good, now_s),
        "an unknown node": node_tokens.issue("oslo", "k1", node_key("oslo"), good, now_s),
        "a key of another purpose": node_tokens.issue("eu-west", "k1", node_key("eu-west", Purpose.USERS), good, now_s),
    }


@pytest.mark.parametrize("route", ROWS)
def test_an_identity_that_is_not_valid_is_refused_on_every_route(api, things, ana, route):
    """401, also where somebody without one is answered."""
    method, template = route.split(" ")
    path = template.format(**things)
    for what, token in invalid_tokens(api, method, path, b"{}").items():
        headers = {node_tokens.HEADER: token, "Authorization": f"Bearer {ana.token}"}
        response = api.client.simulate_request(method, path, body=b"{}", headers=headers)
        assert response.status_code == 401, (what, response.text)


DENIAL = "    rules:\n      - {deny: [serve], at: [sydney], because: A test.}\n"
DENYING = POLICY_TEXT.replace("    rules:\n", DENIAL, 1)


def good(api):
    """The shipped policy is in force."""


def denied(api):
    api.set_policy(DENYING)


def pending_denial(api):
    """It has arrived, and no other region has it."""
    write(api, api.compliance.states(DENYING, api.places).signed)


def pending_permission(api):
    """What is in force denies; what allows has only arrived."""
    api.set_policy(DENYING)
    write(api, api.compliance.states(POLICY_TEXT, api.places).signed)


def older(api):
    """Somebody has put back the statement before the one that denies."""
    before = api.compliance.latest
    api.set_policy(DENYING)
    write(api, before.signed)


def unsigned(api):
    write(api, Compliance().signed(api.compliance.states(DENYING, api.places).text))


def broken(api):
    write(api, api.compliance.latest.signed.replace("eu", "us", 1))


def missing(api):
    api.context.stores.settings.values.delete(STATEMENT)
    api.watch.watch_once()


def two_at_once(api):
    """Two with one serial, which the team should never sign: the stricter counts."""
    first = api.compliance.latest
    write(api, api.compliance.states(POLICY_TEXT, api.places, previous=first).signed)
    api.context.rules.take(
        api.compliance.states(DENYING, api.places, previous=first).signed, Links(lambda hash: first.signed)
    )


def no_lease(api):
    api.lose_lease()


def unlisted(api):
    """A statement that lists Sydney no longer has arrived."""
    write(api, api.compliance.states(POLICY_TEXT, [one for one in api.places if one.name != "sydney"]).signed)


def moved(api):
    """Lisbon lies in the US, by a statement that has arrived."""
    places = [one if one.name != "lisbon" else place("lisbon", Kind.EDGE, "US", shield_of="eu-west", url=one.url)
              for one in api.places]  # fmt: skip
    write(api, api.compliance.states(POLICY_TEXT, places).signed)
    api.lose_lease()


def write(api, text: str) -> None:
    api.context.stores.settings.values.write(STATEMENT, text)
    api.watch.watch_once()


STATES = {
    good: (200, 200, 200, 200),
    denied: (451, 451, 200, 200),
    pending_denial: (451, 451, 200, 200),
    pending_permission: (451, 451, 200, 200),
    older: (451, 451, 200, 200),
    unsigned: (200, 200, 200, 200),
    broken: (200, 200, 200, 200),
    missing: (200, 200, 200, 200),
    two_at_once: (451, 451, 200, 200),
    no_lease: (503, 503, 200, 200),
    unlisted: (200, 401, 200, 200),
    moved: (503, 503, 503, 200),
}
"""What an EU photo's routes answer to nobody, Sydney, Lisbon and Frankfurt."""


@pytest.mark.parametrize(("state", "number"), [*itertools.product(STATES, range(4))])
def test_what_is_shown_where_in_each_state_of_the_statement(api, send, eva, state, number):
    """Each route about one photo or profile answers so; each list is without the photo, or fails as a whole."""
    state(api)
    expected, node = STATES[state][number], NODES[number]
    for route in GUARDED:
        status = send(route, node, eva).status_code
        assert status == expected or (expected == 200 and status in (201, 204)), (route, status)
    for route in LISTS:
        response = send(route, node)
        shown = [photo["id"] for photo in response.json.get("items", ())]
        assert response.status_code == (200 if expected == 451 else expected), route
        assert bool(shown) is (expected == 200), route


@pytest.mark.parametrize(("state", "number"), [*itertools.product(STATES, range(4))])
def test_a_like_or_comment_can_be_taken_back_in_each_state_of_the_statement(api, things, send, eva, state, number):
    """Both routes leave the region, whether or not it may be read where they come from."""
    comment = api.request("POST", f"/v1/photos/{things['photo_id']}/comments", {"text": "Oh"}, eva).json
    api.request("PUT", f"/v1/photos/{things['photo_id']}/like", user=eva)
    things["comment_id"] = comment["id"]
    state(api)
    expected = 401 if STATES[state][number] == 401 else 204
    for route in TAKEN_BACK:
        assert send(route, NODES[number], eva).status_code == expected, route
    assert (api.catalog.comments.get(things["photo_id"], comment["id"]) is None) == (expected == 204)
    assert (api.catalog.likes.page(things["photo_id"], None, 9) == []) == (expected == 204)


@pytest.mark.parametrize(("state", "number"), [*itertools.product(STATES, (1, 2, 3))])
def test_who_gets_the_url_of_an_image_in_each_state_of_the_statement(api, things, state, number):
    """Through the shield, as the same table says; but where Lisbon gets nothing, no edge gets anything through it."""
    state(api)
    node, path = NODES[number], f"/v1/grants/{things['photo_id']}/{things['name']}"
    response = api.request("GET", path, node=node, presented_by=None if node == "lisbon" else "lisbon")
    through_lisbon = STATES[state][2]
    expected = STATES[state][number] if through_lisbon == 200 else through_lisbon
    assert (response.status_code, "url" in response.json) == (expected, expected == 200)


def test_what_the_topology_file_says_of_a_place_changes_nothing(api, things, ana):
    """It calls Sydney a shield in the EU. Without a lease Sydney gets nothing all the same, and never a grant."""
    edges = api.context.topology.edges
    sydney = replace(edges["sydney"], jurisdiction="EU", shield_of="eu-west")
    lying = replace(api.context.topology, edges={**edges, "sydney": sydney})
    lied_to = replace(api, client=TestClient(create(replace(api.context, topology=lying))))
    path = f"/v1/photos/{things['photo_id']}"
    assert lied_to.request("GET", path, node="sydney").status_code == 200
    assert lied_to.request("GET", f"/v1/grants/{things['photo_id']}/320.jpg", node="sydney").status_code == 403
    api.lose_lease()
    assert lied_to.request("GET", path, node="sydney").status_code == 503
    assert lied_to.request("GET", path, node="lisbon").status_code == 200


def test_without_any_statement_nobody_is_known_and_nothing_is_shown(open_api):
    """401 for each server, 503 for each sign-up: fails closed."""
    api = open_api("eu-west", stated=False)
    assert api.request("GET", "/border/v1/statement", node="lisbon").status_code == 401
    assert api.request("POST", "/v1/users", sign_up_body()).status_code == 503
