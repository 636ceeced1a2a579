"""Each route says what a token must allow for it."""

from dataclasses import replace

import pytest
from falcon import inspect

from origin import scopes
from regions.account_records import Scope
from regions.errors import Forbidden

ALSO_FOR_NOBODY = {("GET", f"/v1/photos/{{photo_id}}{rest}") for rest in ("", "/likes", "/comments")}


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
    """A valid token of the right person that has all scopes but the one that is needed gets a 403.

    Where nobody is answered too, it is answered as nobody is: 404, since Ana's photo is not ready.
    """
    values = {"user_id": ana.id, "photo_id": api.uploaded(ana), "upload_id": api.start_upload(ana)["upload_id"]}
    values |= {"author_id": eva.id, "comment_id": "c_00000000001", "session_id": ana.session}
    for (method, route), needed in scopes.NEEDED.items():
        if needed is not None:
            lacking = replace(ana, token=access_token(ana.id, "eu-west", scopes=set(Scope) - {needed}))
            expected = 404 if (method, route) in ALSO_FOR_NOBODY else 403
            assert api.request(method, route.format(**values), {}, lacking).status_code == expected, (method, route)


@pytest.mark.parametrize("rest", ["", "/likes", "/comments"])
def test_a_token_that_is_not_for_reading_sees_what_nobody_sees(api, ana, access_token, rest):
    """No less; and not what only the owner sees."""
    path = f"/v1/photos/{api.ready(ana)}{rest}"
    lacking = replace(ana, token=access_token(ana.id, "eu-west", scopes={Scope.UPLOAD}))
    shown, to_nobody = api.request("GET", path, user=lacking), api.request("GET", path)
    assert (shown.status_code, shown.json) == (200, to_nobody.json)


@pytest.mark.parametrize("route", [("GET", "/v1/homes"), ("GET", "/v1/unknown")])
def test_a_route_without_a_scope_takes_no_token(route):
    """Should a handler ask for one all the same."""
    with pytest.raises(Forbidden):
        scopes.require(set(Scope), *route)
