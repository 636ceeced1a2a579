"""Signing up, profiles, and whom one follows."""

import pytest

from regions import ids


def test_signing_up_gives_an_id_a_token_and_a_home(api):
    """Portugal's home is eu-west, and it is written into the id."""
    answer = api.ask("POST", "/v1/users", {"name": " Ana ", "country": "PT"})
    assert answer.status_code == 201
    assert set(answer.json) == {"id", "token", "home_region"}
    assert answer.json["home_region"] == "eu-west"
    assert ids.parse(ids.USER, answer.json["id"]).region == 0
    assert api.ask("GET", f"/v1/users/{answer.json['id']}").json["name"] == "Ana"


def test_whoever_lives_elsewhere_is_sent_there(api):
    """421 names the region; nobody is made here."""
    answer = api.ask("POST", "/v1/users", {"name": "Bob", "country": "US"})
    assert (answer.status_code, answer.json["region"]) == (421, "us-central")


@pytest.mark.parametrize("country", ["FR", "GF", "GP", "MF", "MQ", "RE", "YT"])
def test_the_unions_outermost_regions_are_at_home_in_the_union(api, country):
    """They have codes of their own, and the same law."""
    user_id = api.sign_up("Ana", country).id
    assert (api.catalog.users.get(user_id).residency_class, api.catalog.users.get(user_id).home_region) == (
        "eu",
        "eu-west",
    )


def test_without_a_policy_nobody_is_given_a_home(api):
    """Fails closed, and says that trying again may help."""
    api.set_policy(None)
    answer = api.ask("POST", "/v1/users", {"name": "Ana", "country": "PT"})
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"


def test_a_policy_that_does_not_parse_is_no_policy(api):
    """A rule half-read is a rule broken."""
    api.set_policy("policy: 1\ndefault_class: world\n")
    assert api.ask("POST", "/v1/users", {"name": "Ana", "country": "PT"}).status_code == 503


def test_a_policy_that_forbids_metadata_here_refuses_with_its_rule(api):
    """451 names the rule by file and line."""
    api.set_policy(
        "policy: 1\ndefault_class: world\nclasses:\n  world:\n    homes: [{region: eu-west}]\n    rules:\n"
        "      - {allow: [serve], at: [anywhere], because: Looking is free.}\n"
    )
    answer = api.ask("POST", "/v1/users", {"name": "Ana", "country": "PT"})
    assert answer.status_code == 451
    assert answer.json["rule"].startswith("policy.yaml:")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": "Ana"},
        {"country": "PT"},
        {"name": "", "country": "PT"},
        {"name": "   ", "country": "PT"},
        {"name": "a" * 81, "country": "PT"},
        {"name": 7, "country": "PT"},
        {"name": ["Ana"], "country": "PT"},
        {"name": "A\0na", "country": "PT"},
        {"name": "A\nna", "country": "PT"},
        {"name": "A\u0085na", "country": "PT"},
        {"name": "A\ud800na", "country": "PT"},
        {"name": "Ana", "country": "pt"},
        {"name": "Ana", "country": "PRT"},
        {"name": "Ana", "country": "P1"},
        {"name": "Ana", "country": None},
        {"name": "Ana", "country": "XX"},
        {"name": "Ana", "country": "UK"},
        {"name": "Ana", "country": "EL"},
        {"name": "Ana", "country": "EU"},
        {"name": "\u202e\u202e", "country": "PT"},
        {"name": "Ana\u202e", "country": "PT"},
        {"name": "\u2066Ana\u2069", "country": "PT"},
        {"name": "\u200b\u200d", "country": "PT"},
        {"name": "\u3164", "country": "PT"},
    ],
)
def test_a_sign_up_that_makes_no_sense_is_refused(api, body):
    """Every field has a type and a bound."""
    assert api.ask("POST", "/v1/users", body).status_code == 400


def test_a_profile_says_who_and_where_and_no_more(api, ana):
    """The country is nobody else's business."""
    answer = api.ask("GET", f"/v1/users/{ana.id}")
    assert set(answer.json) == {"id", "name", "home_region", "created_at"}
    assert answer.json["created_at"].endswith("Z")


def test_a_user_who_is_not_there_is_not_found(api, nobodys):
    """And one of another region is that region's to answer for."""
    assert api.ask("GET", f"/v1/users/{nobodys('u')}").status_code == 404
    assert api.ask("GET", "/v1/users/ana").status_code == 404
    elsewhere = api.ask("GET", f"/v1/users/{nobodys('u', 2)}")
    assert (elsewhere.status_code, elsewhere.json["region"]) == (421, "us-central")


def test_a_region_that_is_not_on_the_map_is_not_found(api, nobodys):
    """An id can name a region that nobody has."""
    assert api.ask("GET", f"/v1/users/{nobodys('u', 44)}").status_code == 404


def test_following_is_kept_and_told_once(api, ana, eva):
    """204, then it stands in the list, and the event log has it."""
    answer = api.ask("PUT", f"/v1/users/{ana.id}/following/{eva.id}", who=ana)
    assert (answer.status_code, answer.text) == (204, "")
    assert api.ask("GET", f"/v1/users/{ana.id}/following", who=ana).json == {"items": [eva.id], "next": None}
    [event] = api.told("follow_changed")
    assert event.body == {"follower_id": ana.id, "author_id": eva.id, "following": True}


def test_unfollowing_takes_it_back(api, ana, eva):
    """Twice is once."""
    api.ask("PUT", f"/v1/users/{ana.id}/following/{eva.id}", who=ana)
    for _ in range(2):
        assert api.ask("DELETE", f"/v1/users/{ana.id}/following/{eva.id}", who=ana).status_code == 204
    assert api.ask("GET", f"/v1/users/{ana.id}/following", who=ana).json["items"] == []


def test_nobody_follows_themselves(api, ana):
    assert api.ask("PUT", f"/v1/users/{ana.id}/following/{ana.id}", who=ana).status_code == 422


def test_nobody_follows_whom_there_is_not(api, ana, nobodys):
    """Here, and where the home region says so."""
    assert api.ask("PUT", f"/v1/users/{ana.id}/following/{nobodys('u')}", who=ana).status_code == 404
    assert api.ask("PUT", f"/v1/users/{ana.id}/following/eva", who=ana).status_code == 404


def test_somebody_of_another_region_is_looked_up_there(api, ana, abroad, serve, nobodys):
    """Over HTTP: there or not."""
    bob = abroad.sign_up("Bob", "US")
    with serve(abroad):
        assert api.ask("PUT", f"/v1/users/{ana.id}/following/{bob.id}", who=ana).status_code == 204
        assert api.ask("PUT", f"/v1/users/{ana.id}/following/{nobodys('u', 2)}", who=ana).status_code == 404


def test_an_author_whose_home_is_silent_gets_the_benefit_of_the_doubt(api, ana, servers, nobodys):
    """A region that is down is no reason to refuse its people."""
    servers["us-central"].server_close()
    assert api.ask("PUT", f"/v1/users/{ana.id}/following/{nobodys('u', 2)}", who=ana).status_code == 204


def test_whom_one_follows_is_ones_own_business(api, ana, eva):
    """401 for nobody, 403 for somebody else, to look and to change."""
    path = f"/v1/users/{ana.id}/following"
    assert api.ask("GET", path).status_code == 401
    assert api.ask("GET", path, who=eva).status_code == 403
    assert api.ask("PUT", f"{path}/{eva.id}", who=eva).status_code == 403
    assert api.ask("DELETE", f"{path}/{eva.id}", who=eva).status_code == 403


def test_following_is_given_in_pages(api, ana):
    """Highest id first, each once, and the last page says so."""
    authors = [api.sign_up(f"Author {number}") for number in range(5)]
    for author in authors:
        api.ask("PUT", f"/v1/users/{ana.id}/following/{author.id}", who=ana)
    seen, before = [], {}
    for _ in range(3):
        page = api.ask("GET", f"/v1/users/{ana.id}/following", who=ana, limit=2, **before).json
        seen += page["items"]
        before = {"before": page["next"]}
    assert seen == [author.id for author in reversed(authors)]
    assert page["next"] is None


def test_a_users_photos_are_the_ready_ones(api, ana):
    """Newest first; what is on its way or did not come out is not shown."""
    first, second = api.ready(ana), api.ready(ana)
    api.begin(ana)
    api.uploaded(ana)
    page = api.ask("GET", f"/v1/users/{ana.id}/photos").json
    assert [photo["id"] for photo in page["items"]] == [second, first]
    assert page["next"] is None


def test_images_come_through_the_edge_that_asked(api, ana):
    """Its name is in `Darkroom-Node`; without it, or with a false one, the region's shield serves."""
    api.ready(ana)
    path = f"/v1/users/{ana.id}/photos"
    [through_sydney] = api.ask("GET", path, node="sydney").json["items"]
    [through_nobody] = api.ask("GET", path).json["items"]
    assert through_sydney["variants"]["320"] == f"http://sydney.test/p/{through_sydney['id']}/320.jpg"
    assert through_nobody["variants"]["320"].startswith("http://lisbon.test/")
