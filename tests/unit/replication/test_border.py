"""What a lane makes of another region's answers, which may be an attacker's."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from typing import ClassVar

import pytest

from regions import ids
from regions.border.batches import MAX_ITEMS
from regions.border.kinds import RecordName
from regions.border.offers import ObjectState, Offer, OfferedObject
from regions.border.records import SentRecord
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
    """`answer(status, document)`: what the lane has of this answer to its request, of whatever kind."""

    def ask(status, document, call=lambda one: one.offer(OFFER)):
        class Hostile(JsonHandler):
            def do_PUT(self):
                self.body()
                self.send(status, {"Location": "http://127.0.0.1:1/"}, document)

        with answering(Hostile) as url, border_at(regions, url) as border:
            return call(border)

    return ask


@pytest.fixture
def answer_item(answer):
    """The same of an answer to one item of a batch."""
    return lambda document, *call: answer(200, {"answers": [document]}, *call)


@contextmanager
def border_at(regions, url: str):
    other = replace(regions.config.topology.regions["eu-central"], origin=url)
    with closing(Border(other, regions.client("eu-west"))) as border:
        yield border


def test_a_good_answer_is_read(answer_item):
    """Unknown fields, and objects that were not offered, are ignored."""
    more = ANSWER | {"new": 1, "objects": {"": PUT | {"new": 1}, "640.jpg": {"state": "x"}}}
    found = answer_item(more)
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
def test_an_answer_that_is_none_is_refused(answer, answer_item, document):
    """Whether it is that to one item, or to all."""
    for ask in (answer_item, partial(answer, 200)):
        with pytest.raises(BadGateway):
            ask(document)


@pytest.mark.parametrize("answers", [[], [ANSWER, ANSWER], ANSWER, None, 1])
def test_each_item_has_one_answer(answer, answers):
    with pytest.raises(BadGateway):
        answer(200, {"answers": answers})


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "consul"}, {"Content-Length": "0"}, {"Transfer-Encoding": "chunked"}, {"Authorization": "x"},
        {"x-consul-token": "x"}, {"x-aws-ec2-metadata-token-ttl-seconds": "1"}, {"Cache-Control": "b\r\nHost: consul"},
        {"Cache-Control": "\u00e9"}, {"Cache-Control": "x" * 501}, {"Cache-Control": 1}, [],
    ],
)  # fmt: skip
def test_a_signed_put_may_not_ask_for_any_header(answer_item, headers):
    """It would make this process say to its own servers what another region wants."""
    with pytest.raises(BadGateway):
        answer_item(ANSWER | {"objects": {"": PUT | {"headers": headers}}})


def test_an_answer_without_end_is_refused(answer):
    with pytest.raises(BadGateway, match="more than"):
        answer(200, {"answers": [ANSWER | {"new": "x" * (1 << 20)}]})


@pytest.mark.parametrize("status", [401, 408, 429, 502, 503, 504])
def test_what_may_pass_is_tried_again(answer, answer_item, status):
    """Both of the whole request and of one item."""
    with pytest.raises(Unavailable, match=f"{status}: because"):
        answer(status, {"detail": "because"})
    with pytest.raises(Unavailable, match=f"{status}: because"):
        answer_item({"problem": {"status": status, "detail": "because"}})


@pytest.mark.parametrize("status", [201, 302, 400, 403, 404, 500])
def test_what_is_refused_for_good_is_set_aside(answer, answer_item, status):
    """A redirection is not followed: the answer must be the region's own."""
    with pytest.raises(Unprocessable, match=f"eu-central answered {status}"):
        answer(status, json.loads('{"detail": 7}'))
    if status >= 400:
        with pytest.raises(Unprocessable, match=f"eu-central answered {status}"):
            answer_item({"problem": {"status": status, "detail": 7}})


@pytest.mark.parametrize("problem", [None, {}, {"status": 200, "detail": ""}, {"status": "403", "detail": ""}, [], 1])
def test_a_problem_that_is_none_is_refused(answer_item, problem):
    with pytest.raises(BadGateway):
        answer_item({"problem": problem})


def test_what_the_other_rules_forbid_is_a_denial(answer, answer_item):
    with pytest.raises(ResidencyDenied):
        answer(451, {"detail": "because"})
    with pytest.raises(ResidencyDenied):
        answer_item({"problem": {"status": 451, "detail": "because"}})


@pytest.mark.parametrize("document", [{}, {"again_at_ms": None, "x": 1}, {"again_at_ms": 7}])
def test_a_deletion_is_confirmed_by_null_and_by_nothing_else(answer_item, document):
    call = lambda one: one.delete(PHOTO_ID, 5)  # noqa: E731
    if not document:
        with pytest.raises(BadGateway):
            answer_item(document, call)
    else:
        assert answer_item(document, call) is (document["again_at_ms"] is None)


class Gathering(JsonHandler):
    """Answers each item with its own photo's number; the first request only when it may go on."""

    batches: ClassVar[list[list[str]]] = []
    begun, may_go_on = threading.Event(), threading.Event()

    def do_PUT(self):
        [items] = json.loads(self.body()).values()
        self.batches.append([item["photo_id"] for item in items])
        self.begun.set()
        assert self.may_go_on.wait(20)
        answers = [{"again_at_ms": None if item["deleted_at_ms"] % 2 else 7} for item in items]
        for number, item in enumerate(items):
            if item["deleted_at_ms"] == 13:
                answers[number] = {"problem": {"status": 403, "detail": "unlucky"}}
        self.send(200, {}, {"answers": answers})


def test_what_is_asked_during_a_request_goes_together_in_the_next(regions):
    """As many as a batch may have. Each gets its own answer, and one that is refused stops no other."""
    count = 2 * MAX_ITEMS
    with answering(Gathering) as url, border_at(regions, url) as border, ThreadPoolExecutor(count) as threads:
        first = threads.submit(border.delete, PHOTO_ID, 1)
        assert Gathering.begun.wait(20)
        others = [threads.submit(border.delete, PHOTO_ID, number) for number in range(2, count + 1)]
        wait(others, timeout=0.2)
        Gathering.may_go_on.set()
        assert first.result(20) is True
        for number, other in enumerate(others, 2):
            if number == 13:
                with pytest.raises(Unprocessable, match="unlucky"):
                    other.result(20)
            else:
                assert other.result(20) is bool(number % 2)
    assert [len(batch) for batch in Gathering.batches] == [1, MAX_ITEMS, MAX_ITEMS - 1]


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


RECORD = SentRecord(RecordName("user", AUTHOR), AUTHOR, "eu", 7, "{}")


@pytest.mark.parametrize("other_version", [None, 0, 8])
def test_what_is_there_of_a_record_is_read(answer_item, other_version):
    assert answer_item({"other_version": other_version}, lambda one: one.keep(RECORD)) == other_version


@pytest.mark.parametrize("document", [{}, {"other_version": "8"}, {"other_version": True}, {"other_version": 1 << 60}])
def test_what_says_nothing_of_a_record_is_refused(answer_item, document):
    with pytest.raises(BadGateway):
        answer_item(document, lambda one: one.keep(RECORD))
