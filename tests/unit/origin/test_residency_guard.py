"""Nothing of a photo or profile is visible where the policy forbids it, and each decision is logged."""

from pathlib import Path

import pytest

from origin.residency_guard import ResidencyGuard
from regions import node_tokens
from regions.clock import now_s
from regions.errors import ResidencyDenied, Unavailable
from regions.node_tokens import Call
from regions.residency.audit import AuditTrail
from regions.topology import Place
from tests.builders.statements import node_key


def statuses(api, ana, photo_id, node):
    """The status of each route that shows something of one photo or profile."""
    paths = [f"/v1/photos/{photo_id}{rest}" for rest in ("", "/likes", "/comments")] + [f"/v1/users/{ana.id}"]
    return [api.request("GET", path, node=node).status_code for path in paths]


def listed(api, ana, eva, node):
    """The photo ids in each list: that of Ana, who is followed, and the feed of her follower Eva."""
    responses = [
        api.request("GET", f"/v1/users/{ana.id}/photos", node=node),
        api.request("GET", f"/v1/users/{eva.id}/feed", user=eva, node=node),
    ]
    return [[photo["id"] for photo in response.json["items"]] for response in responses]


def decisions(api, record_id):
    return [(entry.action, entry.place, entry.allowed) for entry in api.catalog.audit.latest(record_id, 10)]


@pytest.fixture
def photo_id(api, ana, eva):
    """A photo of Ana's, in Eva's feed."""
    api.request("PUT", f"/v1/users/{eva.id}/following/{ana.id}", user=eva)
    photo_id = api.ready(ana)
    api.context.stores.feeds.add(photo_id, [eva.id])
    return photo_id


def test_a_photo_that_may_not_be_served_at_an_edge_is_denied_there_with_the_rule(api, ana, photo_id, deny_serving_in):
    """451 on every route. At another edge it is visible."""
    deny_serving_in(api, "sydney")
    assert statuses(api, ana, photo_id, "sydney") == [451] * 4
    assert statuses(api, ana, photo_id, "lisbon") == [200] * 4
    assert api.request("GET", f"/v1/photos/{photo_id}", node="sydney").json["rule"].startswith("policy.yaml:")


def test_lists_leave_out_photos_that_may_not_be_served_at_the_edge(api, ana, eva, photo_id, deny_serving_in):
    """The feed keeps them, because the policy may allow them later."""
    deny_serving_in(api, "sydney")
    assert listed(api, ana, eva, "sydney") == [[], []]
    assert listed(api, ana, eva, "lisbon") == [[photo_id], [photo_id]]


def test_without_a_lease_nothing_crosses_a_border(api, ana, photo_id):
    """Fails closed: 503, since a later try may succeed. Within the jurisdiction everything stays visible."""
    api.lose_lease()
    assert statuses(api, ana, photo_id, "sydney") == [503] * 4
    assert api.request("GET", f"/v1/users/{ana.id}/photos", node="sydney").status_code == 503
    assert statuses(api, ana, photo_id, "lisbon") == [200] * 4


def test_a_request_without_an_identity_comes_from_an_unknown_place(api, ana, photo_id, deny_serving_in):
    """Only what may be served anywhere is served there: it could be the place where it is denied."""
    assert statuses(api, ana, photo_id, None) == [200] * 4
    deny_serving_in(api, "sydney")
    assert statuses(api, ana, photo_id, None) == [451] * 4
    assert statuses(api, ana, photo_id, "lisbon") == [200] * 4


def test_an_identity_that_is_not_valid_is_refused(api, ana, photo_id):
    """401, also where somebody without one would be answered: a clock that is ahead must not change the place."""
    path = f"/v1/photos/{photo_id}"
    old = node_tokens.issue("sydney", "k1", node_key("sydney"), Call("eu-west", "GET", path), now_s() - 91)
    for token in ("", "x", old, api.node_token("sydney", Call("us-central", "GET", path))):
        assert api.client.simulate_get(path, headers={node_tokens.HEADER: token}).status_code == 401


def test_each_decision_is_logged_once_an_hour(api, ana, eva, photo_id):
    """For the photo and for the profile, from whichever route."""
    for _ in range(2):
        statuses(api, ana, photo_id, "sydney")
        listed(api, ana, eva, "sydney")
    assert decisions(api, photo_id) == decisions(api, ana.id) == [("serve", "sydney", True)]
    api.clock.advance(3600 * 1000)
    statuses(api, ana, photo_id, "sydney")
    assert len(decisions(api, photo_id)) == len(decisions(api, ana.id)) == 2


def test_a_denial_is_logged(api, ana, photo_id, deny_serving_in):
    """With the place for which it was requested."""
    deny_serving_in(api, "sydney")
    statuses(api, ana, photo_id, "sydney")
    assert decisions(api, photo_id) == decisions(api, ana.id) == [("serve", "sydney", False)]


def test_a_photo_of_another_region_needs_a_decision_for_the_edge_too(api, ana, us_api, serve, deny_serving_in):
    """Its home region allows our region to show it, and our policy denies the edge."""
    bob = us_api.sign_up("Bob", "US")
    with serve(us_api):
        api.request("PUT", f"/v1/users/{ana.id}/following/{bob.id}", user=ana)
        photo_id = us_api.ready(bob)
        api.context.stores.feeds.add(photo_id, [ana.id])
        deny_serving_in(api, "sydney")
        response = api.request("GET", f"/v1/users/{ana.id}/feed", user=ana, node="sydney").json
    assert (response["items"], response["unavailable"]) == ([], [])
    assert decisions(us_api, photo_id) == [("serve", "eu-west", True)]
    assert decisions(api, photo_id) == [("serve", "sydney", False)]


def test_a_profile_that_another_region_requests_is_decided_for_that_region(api, ana, us_api, serve):
    """And not for the home region's own shield."""
    bob = us_api.sign_up("Bob", "US")
    with serve(us_api):
        api.request("PUT", f"/v1/users/{ana.id}/following/{bob.id}", user=ana)
    assert decisions(us_api, bob.id) == [("serve", "eu-west", True)]


# What people say about somebody elsewhere

NO_SAY = "    rules:\n      - {deny: [say], at: [jurisdiction:US], because: Nothing may be kept there.}\n"


@pytest.fixture
def guard(api):
    audit = AuditTrail(api.catalog, api.context.clock_ms)
    return ResidencyGuard(api.context.region.place, api.context.policy, audit)


@pytest.fixture
def deny_saying(api):
    """Publishes a policy whose first rules deny `say` in the US."""
    return lambda: api.set_policy(Path("deploy/policy.yaml").read_text().replace("    rules:\n", NO_SAY))


EU_HOME, US_HOME = Place("eu-west", "region", "EU"), Place("us-central", "region", "US")
AU_HOME = Place("au-east", "region", "AU")


def test_what_people_say_rests_elsewhere_only_where_a_rule_allows_it(api, guard):
    """451 cites the rule, or the class where no rule allows it. Each decision is logged for the person."""
    guard.require_say("u_1", "eu", EU_HOME, US_HOME)
    with pytest.raises(ResidencyDenied) as denied:
        guard.require_say("u_1", "eu", EU_HOME, AU_HOME)
    assert denied.value.document()["rule"].startswith("policy.yaml:")
    assert set(decisions(api, "u_1")) == {("say", "us-central", True), ("say", "au-east", False)}


def test_what_people_say_in_another_region_of_their_jurisdiction_is_decided_too(api, guard):
    """A rule may forbid one region only."""
    eu_central = Place("eu-central", "region", "EU")
    guard.require_say("u_1", "eu", EU_HOME, eu_central)
    assert decisions(api, "u_1") == [("say", "eu-central", True)]


def test_a_class_that_no_policy_knows_may_say_nothing_elsewhere(guard):
    """So a token without a class, or with an invented one, opens nothing."""
    for unknown in ("", "mars"):
        with pytest.raises(ResidencyDenied):
            guard.require_say("u_1", unknown, US_HOME, EU_HOME)


def test_what_people_say_at_home_needs_no_decision(api, guard):
    """It does not leave."""
    api.set_policy(None)
    guard.require_say("u_1", "eu", EU_HOME, EU_HOME)
    assert decisions(api, "u_1") == []


def test_without_a_policy_nothing_that_people_say_leaves_their_jurisdiction(api, guard):
    """Whichever side asks: this region is the home in one case, and the other's in the next."""
    api.set_policy(None)
    for home, place in ((EU_HOME, US_HOME), (US_HOME, EU_HOME)):
        with pytest.raises(Unavailable):
            guard.require_say("u_1", "eu", home, place)
    guard.require_say("u_1", "eu", Place("eu-central", "region", "EU"), EU_HOME)


def test_a_follow_of_somebody_elsewhere_is_refused_where_saying_is(api, ana, us_api, serve, deny_saying):
    """Before their home is asked anything; a follow that is there can be taken back."""
    bob = us_api.sign_up("Bob", "US")
    path = f"/v1/users/{ana.id}/following/{bob.id}"
    with serve(us_api):
        assert api.request("PUT", path, user=ana).status_code == 204
        deny_saying()
        response = api.request("PUT", path, user=ana)
        assert response.status_code == 451
        assert response.json["rule"].startswith("policy.yaml:")
        assert api.request("DELETE", path, user=ana).status_code == 204
    assert decisions(api, ana.id) == [("say", "us-central", True), ("say", "us-central", False)]
    assert api.request("GET", f"/v1/users/{ana.id}/following", user=ana).json["items"] == []


def test_a_follow_at_home_asks_no_rule(api, ana, eva, deny_saying):
    """Nothing leaves the region."""
    deny_saying()
    assert api.request("PUT", f"/v1/users/{ana.id}/following/{eva.id}", user=ana).status_code == 204
    assert decisions(api, ana.id) == []
