"""The items of a batch are answered each by itself, and no region's batches delay another's."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from origin.border.batches import AT_ONCE, WITHIN_S, BatchThreads
from regions.border.batches import MAX_ITEMS


@pytest.fixture
def now_s():
    return [100.0]


@pytest.fixture
def batches(now_s):
    return BatchThreads(AT_ONCE, lambda: now_s[0])


def test_answers_are_in_the_order_of_the_items(batches):
    answered = batches.answered("us-central", "/border/v1/offers", [{"n": n} for n in range(99)], dict)
    assert answered == {"answers": [{"n": n} for n in range(99)]}


def test_what_has_not_begun_in_time_is_to_be_sent_again(batches, now_s):
    """So that slow stores never make all of a batch late, again and again."""

    def slow(item):
        now_s[0] += WITHIN_S / 2 + 0.01
        return item

    items = [{"n": n} for n in range(20)]
    answers = batches.answered("us-central", "/border/v1/offers", items, slow)["answers"]
    done = [answer for answer in answers if "problem" not in answer]
    assert 2 <= len(done) <= AT_ONCE + 1
    assert {answer["problem"]["status"] for answer in answers if answer not in done} == {503}


def test_a_region_whose_batches_hang_delays_no_other(batches):
    """However many it sends."""
    goes_on = threading.Event()

    def hang(item):
        goes_on.wait(20)
        return item

    with ThreadPoolExecutor(6) as senders:
        hanging = [
            senders.submit(batches.answered, "us-central", "/border/v1/offers", [{}] * MAX_ITEMS, hang)
            for _ in range(6)
        ]
        answered = batches.answered("eu-central", "/border/v1/offers", [{"n": 1}], dict)
        goes_on.set()
        assert all(len(one.result(20)["answers"]) == MAX_ITEMS for one in hanging)
    assert answered == {"answers": [{"n": 1}]}
