"""docs/border.yaml says what is sent over a border: it has every route, and each document is as it says."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from falcon import inspect
from jsonschema import Draft202012Validator

from regions.border.kinds import RecordName
from regions.border.records import SentRecord, record_document
from regions.records import Location
from tests.unit.origin.border.test_offers import (  # noqa: F401
    delete,
    document_of,
    other_than,
    photo,
    put_variant,
    send,
)

DESCRIBED = yaml.safe_load((Path(__file__).parents[4] / "docs" / "border.yaml").read_text())

ANSWER, DELETED = ({"$ref": f"#/components/schemas/{name}"} for name in ("Answer", "Deleted"))
DELETION = {"photo_id": "p_0000003XAJo", "deleted_at_ms": 5}


def valid(schema: dict[str, Any], document: Any) -> None:
    Draft202012Validator(DESCRIBED | schema).validate(document)


def schema_of(path: str, method: str, status: str = "200") -> dict[str, Any]:
    response = DESCRIBED["paths"][path][method]["responses"][status]
    if "$ref" in response:
        response = DESCRIBED["components"]["responses"][response["$ref"].rpartition("/")[2]]
    [content] = response["content"].values()
    return content["schema"]


def test_every_route_of_the_border_is_described(api):
    """And nothing else is."""
    routes = {
        f"{one.method} {route.path}"
        for route in inspect.inspect_routes(api.client.app)
        for one in route.methods
        if not one.internal and route.path.startswith("/border/")
    }
    described = {
        f"{method.upper()} {path}"
        for path, item in DESCRIBED["paths"].items()
        for method in item
        if method != "parameters"
    }
    assert routes == described


def test_the_description_is_valid():
    """All that it refers to is there."""
    for name, schema in DESCRIBED["components"]["schemas"].items():
        assert name
        Draft202012Validator.check_schema(schema)
    text = (Path(__file__).parents[4] / "docs" / "border.yaml").read_text()
    for kind, name in re.findall("#/components/([a-zA-Z]+)/([A-Za-z_0-9]+)", text):
        assert name in DESCRIBED["components"][kind]


@pytest.mark.parametrize("without", [set(), {"metadata", "reference"}])
def test_what_a_lane_offers_is_as_described(photo, without):  # noqa: F811
    document = document_of(replace(photo, location=Location(1, 2), near_duplicate_of=photo.photo_id))
    valid({"$ref": "#/components/schemas/Offer"}, document | dict.fromkeys(without))


def test_what_an_origin_answers_is_as_described(api, ana, photo, unused_id):  # noqa: F811
    """For each state of an object, with and without a tombstone, and for what is refused."""
    valid(ANSWER, send(api, photo, "offers").json)
    valid(DELETED, delete(api, other_than(photo)).json)
    put_variant(api, photo)
    valid(ANSWER, send(api, photo).json)
    valid(DELETED, delete(api, photo).json)
    valid(ANSWER, send(api, photo).json)
    valid({"$ref": "#/components/schemas/Problem"}, send(api, photo, residency_class="eu").json)
    for route, item in (("offers", document_of(photo)), ("arrivals", document_of(photo)), ("deletions", DELETION)):
        kind = "deletions" if route == "deletions" else "offers"
        answered = api.request("PUT", f"/border/v1/{route}", {kind: [item, {}]}, node="us-central").json
        assert len(answered["answers"]) == 2
        valid(schema_of(f"/border/v1/{route}", "put"), answered)
    user_id = unused_id("u", 2)
    record = record_document(SentRecord(RecordName("user", user_id), user_id, "world", api.clock.now_ms(), "{}"))
    valid({"$ref": "#/components/schemas/Record"}, record)
    for document in ("{}", None):
        items = {"records": [record | {"document": document}, {}]}
        answered = api.request("PUT", "/border/v1/records", items, node="us-central").json
        assert len(answered["answers"]) == 2
        valid(schema_of("/border/v1/records", "put"), answered)
    api.ready(ana)
    follows = "/border/v1/followers/{author_id}"
    named = follows.format(author_id=ana.id)
    answer = api.request("PUT", named, {"residency_class": "world"}, node="us-central").json
    assert len(answer["references"]) == 1
    valid(schema_of(follows, "put"), answer)


def test_what_else_an_origin_answers_to_other_regions_is_as_described(api, ana):
    """Details with a photo that is there and one that is not, a session that has ended, and a statement."""
    ids_of = {"ids": [api.ready(ana), "p_00000000001"]}
    details = api.request("POST", "/border/v1/details", ids_of, node="us-central").json
    assert [len(details["items"]), details["gone"]] == [1, ["p_00000000001"]]
    valid(schema_of("/border/v1/details", "post"), details)
    ended = {"items": [{"at_ms": 1, "session_id": "s_0000000000000000"}], "next": None}
    for document in (ended, api.request("POST", "/border/v1/ended-sessions", {"after_ms": 0}, node="us-central").json):
        valid(schema_of("/border/v1/ended-sessions", "post"), document)
    report = api.request("GET", "/border/v1/statement", node="us-central").json
    valid(schema_of("/border/v1/statement", "get"), report)
    signed = api.request("GET", f"/border/v1/statement/{report['hash']}", node="us-central").json
    valid(schema_of("/border/v1/statement/{hash}", "get"), signed)
