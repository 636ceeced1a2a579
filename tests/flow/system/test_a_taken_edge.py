"""The key of a far edge is in the test's hands, and what servers are sent; and what somebody gets who has nothing.

docs/threat-model.md has all that was tried, and which tests try it.
"""

import jwt
import pytest
import urllib3

from regions.clock import now_s
from regions.node_tokens import GRANT_HEADER, Call
from regions.residency.statement import Purpose
from tests.builders.image_paths import image_path
from tests.builders.taken_place import TakenPlace

THIRTY_YEARS_S = 30 * 365 * 86_400


@pytest.fixture(scope="module")
def taken(system, tmp_path_factory):
    """`taken("sydney")`: with that place's own secrets, and no others."""
    folder, places = tmp_path_factory.mktemp("taken"), {}

    def of(name: str) -> TakenPlace:
        if name not in places:
            places[name] = TakenPlace.of(system, name, folder)
        return places[name]

    return of


@pytest.fixture(scope="module")
def photo(system, draw):
    """Of Ana, of eu-west."""
    return system.person("Ana", "PT", "lisbon").upload_ready(draw(951), "The quay")


@pytest.mark.parametrize("name", ["sydney", "chicago", "frankfurt"])
@pytest.mark.parametrize("query", ["", "?place=lisbon", "?place=eu-west"])
def test_only_the_regions_own_shield_gets_a_grant(taken, photo, name, query):
    """A far edge doesn't, and no shield of another region; whatever place they name."""
    answer = taken(name).ask("eu-west", "GET", f"/v1/grants/{photo['id']}/320.jpg{query}")
    assert answer.status == 403
    assert b"url" not in answer.data


def test_nobody_shows_a_token_that_is_meant_for_the_shield(taken, photo):
    """Sydney's own, as if it were the shield that shows it."""
    target = f"/v1/grants/{photo['id']}/320.jpg"
    shown = taken("sydney").signer.token(Call("eu-west", "GET", target, presenter="lisbon"))
    answer = taken("sydney").ask("eu-west", "GET", target, headers={GRANT_HEADER: shown})
    assert answer.status == 403


@pytest.mark.parametrize("receiver", ["lisbon", "eu-west"])
def test_a_token_lives_for_a_minute_whatever_it_says(taken, photo, receiver):
    target = image_path(photo, 320) if receiver == "lisbon" else f"/v1/photos/{photo['id']}"
    sydney = taken("sydney")
    good = sydney.signer.token(Call(receiver, "GET", target))
    assert sydney.ask(receiver, "GET", target, token=good).status == 200
    claims = jwt.decode(good, options={"verify_signature": False}) | {"exp": now_s() + THIRTY_YEARS_S}
    [(key_id, private), *_] = sydney.config.private_keys("sydney", Purpose.NODE).items()
    forever = jwt.encode(claims, private, algorithm="EdDSA", headers={"kid": key_id})
    assert sydney.ask(receiver, "GET", target, token=forever).status == 401


@pytest.mark.parametrize(
    ("sender", "meant_for", "shown_to"),
    [("sydney", "lisbon", "frankfurt"), ("lisbon", "eu-west", "eu-central"), ("us-central", "eu-west", "eu-central")],
)
def test_what_a_server_was_sent_is_worth_nothing_at_another(taken, photo, sender, meant_for, shown_to):
    """The token of an edge that asks or forwards, and that of a region."""
    target = image_path(photo, 320) if shown_to == "frankfurt" else f"/v1/photos/{photo['id']}"
    received = taken(sender).signer.token(Call(meant_for, "GET", target))
    assert taken("sydney").ask(shown_to, "GET", target, token=received).status == 401


@pytest.mark.parametrize(
    ("edge", "kept"), [("lisbon", True), ("frankfurt", True), ("chicago", False), ("sydney", False)]
)
def test_no_cache_that_is_not_ours_may_keep_an_image_for_others(system, photo, edge, kept):
    """It could lie anywhere. Where caching is forbidden, not even who asked may; elsewhere for an hour."""
    answer = urllib3.request("GET", system.edges[edge] + image_path(photo, 320), retries=False)
    directives = answer.headers["Cache-Control"].split(", ")
    assert answer.status == 200
    if kept:
        assert "private" in directives
        assert [int(one.partition("=")[2]) <= 3600 for one in directives if one.startswith("max-age=")] == [True]
    else:
        assert directives == ["no-store"]
