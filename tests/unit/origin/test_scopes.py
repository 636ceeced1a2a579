"""Each route says what a token must allow for it."""

from dataclasses import replace

import pytest
from falcon import inspect

from origin import scopes
from regions.account_records import Scope
from regions.errors import Forbidden


def routes(api) -> set[tuple[str, str]]:
    return {
        (method.method, route.path)
        for route in inspect.inspect_routes(api.client.app)
        for method in route.methods
        if not method.internal
    }


def test_the_table_has_each_route_and_no_other(api):
    """So that one who adds a route decides who may use it."""
    assert set(scopes.NEEDED) == routes(api)


def test_each_row_is_enforced(api, ana, eva, access_token):
    """A valid token of the right person that has all scopes but the one that is needed gets a 403."""
    values = {"user_id": ana.id, "photo_id": api.uploaded(ana), "upload_id": api.start_upload(ana)["upload_id"]}
    values |= {"author_id": eva.id, "comment_id": "c_00000000001", "session_id": ana.session}
    for (method, route), needed in scopes.NEEDED.items():
        if needed is not None:
            lacking = replace(ana, token=access_token(ana.id, "eu-west", scopes=set(Scope) - {needed}))
            assert api.request(method, route.format(**values), {}, lacking).status_code == 403, (method, route)


@pytest.mark.parametrize("route", [("GET", "/v1/homes"), ("GET", "/v1/unknown")])
def test_a_route_without_a_scope_takes_no_token(route):
    """Should a handler ask for one all the same."""
    with pytest.raises(Forbidden):
        scopes.require(set(Scope), *route)
