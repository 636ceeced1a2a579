"""What a lane makes of another region's answers, which may be an attacker's."""

import json
from dataclasses import replace

import pytest

from regions import ids
from regions.border.offers import ObjectState, Offer, OfferedObject
from regions.errors import BadGateway, ResidencyDenied, Unavailable, Unprocessable
from regions.residency.decide import Subject
from replication.border import Border
from tests.builders.http import JsonHandler, answering

PHOTO_ID = ids.to_public(ids.PHOTO, 1 << 30)
AUTHOR = ids.to_public(ids.USER, (2 << 16) + 1)
STRANGER = ids.to_public(ids.USER, 1)
OFFER = Offer(PHOTO_ID, Subject("eu", "eu-west"), (OfferedObject("", "ab" * 32, 9, "image/jpeg"),))
PUT = {"state": "missing", "rule": "policy.yaml:1", "because": "", "url": "http://objects/x", "headers": {}}
ANSWER = {"deleted": False, "objects": {"": PUT}, "metadata": True, "reference": False}


@pytest.fixture
def answer(regions):
    """`answer(status, document)`: what the lane has of this answer to its offer."""

    def ask(status, document, call=lambda one: one.offer(OFFER)):
        class Hostile(JsonHandler):
            def do_PUT(self):
                self.body()
                self.send(status, {"Location": "http://127.0.0.1:1/"}, document)

            do_DELETE = do_PUT

        with answering(Hostile) as url:
            other = replace(regions.config.topology.regions["eu-central"], origin=url)
            return call(Border(other, regions.client("eu-west")))

    return ask


def test_a_good_answer_is_read(answer):
    """Unknown fields, and objects that were not offered, are ignored."""
    more = ANSWER | {"new": 1, "objects": {"": PUT | {"new": 1}, "640.jpg": {"state": "x"}}}
    found = answer(200, more)
    assert found.objects.keys() == {""}
    assert (found.objects[""].state, found.objects[""].put.url) == (ObjectState.MISSING, "http://objects/x")


@pytest.mark.parametrize(
    "document",
    [
        None, [], "x", {}, ANSWER | {"objects": {}}, ANSWER | {"objects": []}, ANSWER | {"deleted": 1},
        ANSWER | {"objects": {"": PUT | {"state": "lost"}}}, ANSWER | {"objects": {"": PUT | {"rule": "x" * 1001}}},
        ANSWER | {"objects": {"": PUT | {"url": "x" * 4001}}}, ANSWER | {"objects": {"": PUT | {"url": 1}}},
    ],
)  # fmt: skip
def test_an_answer_that_is_none_is_refused(answer, document):
    with pytest.raises(BadGateway):
        answer(200, document)


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "consul"}, {"Content-Length": "0"}, {"Transfer-Encoding": "chunked"}, {"Authorization": "x"},
        {"x-consul-token": "x"}, {"x-aws-ec2-metadata-token-ttl-seconds": "1"}, {"Cache-Control": "b\r\nHost: consul"},
        {"Cache-Control": "\u00e9"}, {"Cache-Control": "x" * 501}, {"Cache-Control": 1}, [],
    ],
)  # fmt: skip
def test_a_signed_put_may_not_ask_for_any_header(answer, headers):
    """It would make this process say to its own servers what another region wants."""
    with pytest.raises(BadGateway):
        answer(200, ANSWER | {"objects": {"": PUT | {"headers": headers}}})


def test_an_answer_without_end_is_refused(answer):
    with pytest.raises(BadGateway, match="more than"):
        answer(200, ANSWER | {"new": "x" * (1 << 20)})


@pytest.mark.parametrize("status", [401, 408, 429, 502, 503, 504])
def test_what_may_pass_is_tried_again(answer, status):
    with pytest.raises(Unavailable, match=f"{status}: because"):
        answer(status, {"detail": "because"})


@pytest.mark.parametrize("status", [201, 302, 400, 403, 404, 500])
def test_what_is_refused_for_good_is_set_aside(answer, status):
    """A redirection is not followed: the answer must be the region's own."""
    with pytest.raises(Unprocessable, match=f"eu-central answered {status}"):
        answer(status, json.loads('{"detail": 7}'))


def test_what_the_other_rules_forbid_is_a_denial(answer):
    with pytest.raises(ResidencyDenied):
        answer(451, {"detail": "because"})


@pytest.mark.parametrize("document", [{}, {"again_at_ms": None, "x": 1}, {"again_at_ms": 7}])
def test_a_deletion_is_confirmed_by_null_and_by_nothing_else(answer, document):
    call = lambda one: one.delete(PHOTO_ID, 5)  # noqa: E731
    if not document:
        with pytest.raises(BadGateway):
            answer(200, document, call)
    else:
        assert answer(200, document, call) is (document["again_at_ms"] is None)


REFERENCE = {
    "photo_id": ids.to_public(ids.PHOTO, (2 << 16) + 5), "owner_id": AUTHOR, "created_at_ms": 1,
    "residency_class": "world",
}  # fmt: skip


@pytest.mark.parametrize(
    "reference",
    [
        REFERENCE | {"owner_id": STRANGER}, REFERENCE | {"photo_id": PHOTO_ID[:-1] + "z"}, REFERENCE | {"photo_id": ""},
        REFERENCE | {"created_at_ms": -1}, REFERENCE | {"residency_class": "x" * 81}, {}, 1,
    ],
)  # fmt: skip
def test_references_to_anything_but_the_authors_photos_are_refused(answer, reference):
    follow = lambda one: one.follow("eu", AUTHOR)  # noqa: E731
    assert len(answer(200, {"references": [REFERENCE]}, follow)) == 1
    for wrong in ([reference], [REFERENCE] * 101):
        with pytest.raises(BadGateway):
            answer(200, {"references": wrong}, follow)
