"""Every route, with every method and every kind of argument: whatever is wrong is the client's error, and says so."""

import itertools
import re

import pytest
from falcon import inspect

from regions import ids

METHODS = ("GET", "HEAD", "OPTIONS", "PATCH", "PUT", "POST", "DELETE")  # what deletes comes last
ANYTHING = (
    "x",
    "p_00000000001",
    "u_00000000001",
    "c_00000000001",
    "p_zzzzzzzzzzz",
    "%00",
    "é",
    "a" * 300,
    "-1",
    "٣",
    "{}",
)
WRONG = {
    "handle": 1,
    "passphrase": {},
    "regions": [1],
    "scope": "x",
    "after_ms": "",
    "name": 1,
    "country": [],
    "parts": [{}],
    "ids": [None],
    "text": {},
    "filename": None,
    "after": {"x": -1},
    "residency_class": 1,
    "objects": {},
    "deleted_at_ms": "x",
}
BODIES = (None, {}, [], WRONG)
QUERIES = ({}, {"before": "x", "limit": "x", "after": "x", "place": "x"})


def routes(api) -> list[str]:
    return [route.path for route in inspect.inspect_routes(api.client.app)]


@pytest.fixture
def real(api, ana):
    """An existing thing for each kind of argument."""
    photo_id = api.ready(ana)
    text = {"text": "Hello"}
    comment_id = api.request("POST", f"/v1/photos/{photo_id}/comments", text, ana).json["id"]
    upload_id = api.start_upload(ana)["upload_id"]
    return {"user_id": ana.id, "author_id": ana.id, "photo_id": photo_id, "comment_id": comment_id,
            "upload_id": upload_id, "name": "640.jpg", "session_id": "s_0000000000000000",
            "hash": "ab" * 32}  # fmt: skip


def test_no_route_fails_on_any_method_or_argument(api, ana, real):
    """Nothing is a 5xx, and every error is a problem document."""
    for method, template, wrong in itertools.product(METHODS, routes(api), (None, *ANYTHING)):
        for path in paths(template, real, wrong):
            for user, node in ((None, None), (ana, None), (None, "lisbon"), (None, "us-central")):
                response = api.request(method, path, user=user, node=node)
                assert response.status_code < 500, (method, path)
                assert response.status_code < 400 or method == "HEAD" or response.json["status"] == response.status_code


@pytest.mark.parametrize(("body", "query"), [*itertools.product(BODIES, QUERIES)])
def test_no_route_fails_on_any_body_or_query(api, ana, real, body, query):
    """Whether the request comes from a person, an edge or a region."""
    for method, template in itertools.product(METHODS, routes(api)):
        (path,) = paths(template, real, None)
        for user, node in ((ana, None), (None, "lisbon"), (None, "us-central")):
            assert api.request(method, path, body, user, node, **query).status_code < 500, (method, path)


def paths(template: str, real: dict[str, str], wrong: str | None) -> list[str]:
    """The path with real arguments; or, with `wrong`, one path for each argument that has this value instead."""
    names = re.findall("{([a-z_]+)}", template)
    if wrong is None:
        return [template.format(**real)]
    return [template.format(**real | {name: wrong}) for name in names]


def test_there_are_routes_with_ids_of_every_kind(api):
    """So that the tests above try them all."""
    arguments = {name for route in routes(api) for name in re.findall("{([a-z_]+)}", route)}
    assert arguments == {
        "user_id", "author_id", "photo_id", "comment_id", "upload_id", "name", "session_id", "hash"
    }  # fmt: skip
    assert {ids.PHOTO, ids.USER, ids.COMMENT} == set("puc")
