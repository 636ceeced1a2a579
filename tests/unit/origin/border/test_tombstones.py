"""`POST /v1/tombstones`: edges read the order of deletions."""

import json

import pytest

EVERYTHING = {"after": {}}


def read(api, body, node="lisbon"):
    return api.request("POST", "/v1/tombstones", body, node=node)


@pytest.fixture
def deleted(api, ana):
    """The ids of three photos, in the order in which they were deleted."""
    photo_ids = [api.ready(ana) for _ in range(3)]
    for photo_id in photo_ids:
        api.request("DELETE", f"/v1/photos/{photo_id}", user=ana)
    return photo_ids


def test_an_edge_continues_with_the_cursors_of_the_response(api, ana, deleted):
    """And gets what was deleted since then."""
    everything = read(api, EVERYTHING).json
    assert [item["photo_id"] for item in everything["items"]] == deleted
    nothing = read(api, {"after": everything["after"]}).json
    assert (nothing["items"], nothing["complete"], nothing["after"]) == ([], True, everything["after"])
    photo_id = api.ready(ana)
    api.request("DELETE", f"/v1/photos/{photo_id}", user=ana)
    later = read(api, {"after": everything["after"]}).json
    assert later["items"] == [{"photo_id": photo_id}]
    assert read(api, {"after": later["after"]}).json["items"] == []


def test_an_edge_hears_which_statement_the_region_holds(api):
    """With the same response: it renews the edge's lease for data of this region."""
    report = read(api, EVERYTHING).json["statement"]
    statement = api.context.rules.current().in_force
    assert (report["region"], report["serial"], report["hash"]) == ("eu-west", statement.serial, statement.hash)
    assert (report["in_force"], report["lease_left_s"]) == (statement.hash, 60)


def test_a_cursor_may_be_anywhere_in_a_chain(api, deleted):
    """SQLite has one chain, with positions from 1; cursors of chains that it does not have are returned as they are."""
    page = read(api, {"after": {"0": 1, "9": 7}}).json
    assert [item["photo_id"] for item in page["items"]] == deleted[1:]
    assert page["after"] == {"0": 3, "9": 7}


def test_a_long_order_comes_in_pages(api, deleted, monkeypatch):
    """The last one says that the edge has read everything."""
    monkeypatch.setattr("regions.tombstone_cursors.MAX_ITEMS", 2)
    first = read(api, {"after": {}}).json
    second = read(api, {"after": first["after"]}).json
    assert [(len(page["items"]), page["complete"]) for page in (first, second)] == [(2, False), (1, True)]


@pytest.mark.parametrize(
    "raw",
    [
        *map(json.dumps, (None, [], "x", {}, {"after": None}, {"after": [1]}, {"after": 7}, {"after": {"0": "1"}})),
        *map(json.dumps, ({"after": {"-1": 1}}, {"after": {"1024": 1}}, {"after": {"0": -1}}, {"after": {"0": 1.5}})),
        json.dumps({"after": {"0": 1 << 80}}),
        '{"after": {"0": ' + "9" * 6000 + "}}",
        '{"after": ' + "[" * 30_000,
        '{"after": {"0": NaN}}',
        "",
        "{",
        "\xff",
    ],
)
def test_a_body_that_is_not_cursors_is_a_bad_request(api, deleted, raw):
    """400, however it is wrong."""
    response = api.send("/v1/tombstones", raw.encode("latin-1"), node="lisbon")
    assert (response.status_code, response.json["status"]) == (400, 400)


def test_only_edges_get_tombstones(api):
    """Neither strangers nor regions."""
    assert read(api, EVERYTHING, node=None).status_code == 401
    assert read(api, EVERYTHING, node="us-central").status_code == 403
