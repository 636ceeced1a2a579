"""What servers ask: grants with a decision for each place, tombstones, details. All fail closed."""

import pytest


@pytest.fixture
def photo_id(api, ana):
    return api.ready(ana)


def grant(api, photo_id, *places, size=320, node="lisbon"):
    return api.ask("GET", f"/v1/grants/{photo_id}/{size}", node=node, place=list(places))


def test_a_grant_says_where_the_bytes_are_and_what_they_must_be(api, photo_id):
    """A signed URL, the hash, the length, and whose rules hold."""
    document = grant(api, photo_id, "lisbon").json
    assert document["url"].startswith("http://objects.test/object/variants/")
    assert (document["sha256"], document["size_bytes"]) == ("ab" * 32, 100)
    assert (document["residency_class"], document["home_region"]) == ("eu", "eu-west")


def test_a_grant_decides_for_each_place(api, photo_id):
    """Kept in the Union only, shown anywhere; each with its rule's line."""
    places = grant(api, photo_id, "lisbon", "chicago", "sydney").json["places"]
    assert {name: (place["serve"], place["cache"]) for name, place in places.items()} == {
        "lisbon": (True, True),
        "chicago": (True, False),
        "sydney": (True, False),
    }
    assert all(place["rule"].startswith("policy.yaml:") for place in places.values())


def test_a_photo_of_the_world_may_be_kept_anywhere(abroad):
    """Its class says so."""
    photo_id = abroad.ready(abroad.sign_up("Bob", "US"))
    assert grant(abroad, photo_id, "sydney", node="chicago").json["places"]["sydney"]["cache"] is True


def test_without_a_policy_nothing_is_shown_or_kept(api, photo_id):
    """Fails closed, and says why."""
    api.set_policy(None)
    place = grant(api, photo_id, "lisbon").json["places"]["lisbon"]
    assert (place["serve"], place["cache"]) == (False, False)
    assert "no policy" in place["rule"]


def test_each_decision_is_on_the_audit_log_once_an_hour(api, photo_id):
    """Stamped with rule and policy; the popular photo does not flood it."""
    for _ in range(3):
        grant(api, photo_id, "sydney")
    logged = [(entry.action, entry.place, entry.allowed) for entry in api.catalog.audit.latest(photo_id, 10)]
    assert logged == [("serve", "sydney", True), ("cache", "sydney", False)]
    assert all(entry.policy_version for entry in api.catalog.audit.latest(photo_id, 10))
    api.clock.advance(3600 * 1000)
    grant(api, photo_id, "sydney")
    assert len(api.catalog.audit.latest(photo_id, 10)) == 4


def test_a_changed_policy_is_logged_at_once(api, photo_id):
    """It is another decision."""
    grant(api, photo_id, "sydney")
    api.set_policy(None)
    grant(api, photo_id, "sydney")
    assert [entry.allowed for entry in api.catalog.audit.latest(photo_id, 10)] == [True, False, False, False]


def test_grants_are_for_edges(api, photo_id):
    """401 for nobody, 403 for a region."""
    assert api.ask("GET", f"/v1/grants/{photo_id}/320", place="lisbon").status_code == 401
    assert grant(api, photo_id, "lisbon", node="us-central").status_code == 403


@pytest.mark.parametrize("places", [[], ["atlantis"], ["lisbon", "atlantis"], ["lisbon"] * 5])
def test_places_that_make_no_sense_are_refused(api, photo_id, places):
    """One to four, and known."""
    assert grant(api, photo_id, *places).status_code == 400


@pytest.mark.parametrize("size", [0, 151, 2160, "big", "-320", "320.0"])
def test_a_size_that_there_is_not_is_not_found(api, photo_id, size):
    assert grant(api, photo_id, "lisbon", size=size).status_code == 404


def test_what_is_not_ready_or_not_there_has_no_grant(api, ana, photo_id, nobodys):
    """404; and another region's is sent there."""
    assert grant(api, api.uploaded(ana), "lisbon").status_code == 404
    api.ask("DELETE", f"/v1/photos/{photo_id}", who=ana)
    assert grant(api, photo_id, "lisbon").status_code == 404
    assert grant(api, nobodys("p"), "lisbon").status_code == 404
    assert grant(api, nobodys("p", 2), "lisbon").json["region"] == "us-central"


def test_tombstones_come_in_order_after_a_position(api, ana):
    """An edge asks on from where it was."""
    photo_ids = [api.ready(ana) for _ in range(3)]
    for photo_id in photo_ids:
        api.ask("DELETE", f"/v1/photos/{photo_id}", who=ana)
    everything = api.ask("GET", "/v1/tombstones", node="lisbon").json
    assert [item["photo_id"] for item in everything["items"]] == photo_ids
    later = api.ask("GET", "/v1/tombstones", node="lisbon", after=everything["items"][0]["position"]).json
    assert [item["photo_id"] for item in later["items"]] == photo_ids[1:]
    assert later["last"] == everything["last"]
    assert api.ask("GET", "/v1/tombstones", node="lisbon", after=later["last"]).json == {
        "items": [],
        "last": later["last"],
    }


@pytest.mark.parametrize(("after", "status"), [("-1", 400), ("x", 400), ("1.5", 400), (str(1 << 80), 200)])
def test_a_position_is_a_whole_number(api, after, status):
    """One beyond all that ever were finds none."""
    assert api.ask("GET", "/v1/tombstones", node="lisbon", after=after).status_code == status


def test_tombstones_are_for_edges(api):
    assert api.ask("GET", "/v1/tombstones").status_code == 401
    assert api.ask("GET", "/v1/tombstones", node="us-central").status_code == 403


def details(api, ids, node="us-central"):
    return api.ask("POST", "/v1/details", {"ids": ids}, node=node)


def test_details_are_given_to_a_region_that_may_show_them(api, photo_id):
    """And the decision is on the audit log."""
    [photo] = details(api, [photo_id]).json["items"]
    assert photo["photo_id"] == photo_id
    assert [(entry.action, entry.place) for entry in api.catalog.audit.latest(photo_id, 10)] == [
        ("serve", "us-central")
    ]


def test_details_fail_closed(api, photo_id):
    """No policy, no details across a border; the region that asks shows the rest of its feed, and asks again."""
    api.set_policy(None)
    assert details(api, [photo_id]).status_code == 503


def test_details_say_what_a_feed_shows_and_no_more(api, photo_id):
    """Camera, time of taking, hashes and sizes stay at home."""
    [photo] = details(api, [photo_id]).json["items"]
    assert set(photo) == {
        "photo_id", "owner_id", "residency_class", "caption", "created_at_ms", "width", "height"
    }  # fmt: skip


def test_details_tell_what_is_gone_from_what_is_not_shown(api, ana, photo_id, nobodys):
    """A photo that is not ready may yet come; of another region's, and of nonsense, there is nothing to say."""
    deleted, waiting = api.ready(ana), api.uploaded(ana)
    api.ask("DELETE", f"/v1/photos/{deleted}", who=ana)
    answer = details(api, [waiting, deleted, nobodys("p"), nobodys("p", 2), "nonsense", photo_id]).json
    assert [photo["photo_id"] for photo in answer["items"]] == [photo_id]
    assert answer["gone"] == [deleted, nobodys("p")]


def test_a_photo_that_may_not_be_shown_at_the_asker_is_not_gone(api, photo_id, serve_nowhere_in):
    """The rule may be another one tomorrow."""
    serve_nowhere_in(api, "us-central")
    assert details(api, [photo_id]).json == {"items": [], "gone": []}


def test_details_are_for_regions(api, ana, photo_id):
    """401 for nobody and for users, 403 for an edge."""
    assert api.ask("POST", "/v1/details", {"ids": [photo_id]}).status_code == 401
    assert api.ask("POST", "/v1/details", {"ids": [photo_id]}, ana).status_code == 401
    assert details(api, [photo_id], node="lisbon").status_code == 403


@pytest.mark.parametrize("ids", [None, "p", {}, [7], [None], [""], ["p" * 21], ["p"] * 101, [["p"]]])
def test_a_list_of_ids_that_makes_no_sense_is_refused(api, ids):
    """At most a hundred short texts."""
    assert details(api, ids).status_code == 400
