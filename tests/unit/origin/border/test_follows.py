"""What the home of an author learns when somebody of another region follows them."""

from dataclasses import replace

from origin.limits import BY_ROUTE, REGION_FOLLOWS


def follow(api, author_id: str, residency_class: str = "world", node: str = "us-central"):
    body = {"residency_class": residency_class}
    return api.request("PUT", f"/border/v1/followers/{author_id}", body, node=node)


def test_new_photos_go_to_the_followers_region_from_now_on(api, ana):
    """The answer has those that are there already."""
    photo_id = api.ready(ana)
    answer = follow(api, ana.id)
    assert [one["photo_id"] for one in answer.json["references"]] == [photo_id]
    assert api.catalog.follows.follower_regions(ana.id) == {"us-central"}


def test_nothing_is_kept_of_who_follows_but_their_region_and_class(api, ana):
    """By them the decision is logged: it can be made again."""
    follow(api, ana.id)
    [entry] = api.catalog.audit.latest("world us-central", 9)
    assert (entry.action, entry.place, entry.allowed) == ("say", "eu-west", True)


def test_a_class_that_has_no_home_there_follows_nobody(api, ana):
    assert follow(api, ana.id, "eu").status_code == 403
    assert api.catalog.follows.follower_regions(ana.id) == set()


def test_an_author_of_another_region_is_asked_for_there(api, unused_id):
    answer = follow(api, unused_id("u", 1))
    assert (answer.status_code, answer.json["region"]) == (421, "eu-central")


def test_a_region_that_says_so_without_end_is_to_wait(api, ana, monkeypatch):
    """429 says for how long; another region does not wait for it."""
    few = replace(REGION_FOLLOWS, limit=replace(REGION_FOLLOWS.limit, most=2))
    monkeypatch.setitem(BY_ROUTE, ("PUT", "/border/v1/followers/{author_id}"), (few,))
    assert [follow(api, ana.id).status_code for _ in range(3)] == [200, 200, 429]
    assert follow(api, ana.id, "eu", "eu-central").status_code == 200
    api.clock.advance(86_400_000 // 2)
    assert follow(api, ana.id).status_code == 200
