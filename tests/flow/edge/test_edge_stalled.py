"""A region that accepts requests and never answers: its edges refuse what needs it, and all else goes on."""

import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import urllib3

REQUESTS = 400
BOUND_S = 2.0


@pytest.fixture
def silent(own_world):
    """eu-west, until the end of the test."""
    region = own_world.regions["eu-west"]
    region.answers.clear()
    yield region
    region.answers.set()


@pytest.fixture
def refused(own_world, silent, wait_for):
    """What the shield of eu-west refuses, when it does: its own loop finds out."""
    lisbon = own_world.edges["lisbon"]
    return wait_for(lambda: lisbon.get("/health").json()["refused"])


def timed(edge, path) -> tuple[int, float]:
    began_s = time.monotonic()
    with urllib3.PoolManager() as http:
        status = http.request("GET", edge.url + path, retries=False, timeout=30).status
    return status, time.monotonic() - began_s


def test_what_needs_a_region_that_does_not_answer_is_refused_at_once(own_world, silent, refused):
    """One request now and then is the probe, and waits. Who wants the same image waits with it."""
    lisbon, lost = own_world.edges["lisbon"], [silent.add().photo_id for _ in range(200)]
    assert refused == ["eu-west"]
    with ThreadPoolExecutor(20) as threads:
        answers = list(threads.map(lambda photo_id: timed(lisbon, f"/p/{photo_id}/320.jpg"), lost))
    assert {status for status, _ in answers} <= {502, 503}
    assert sum(seconds < BOUND_S for _, seconds in answers) > 190


def test_the_first_looks_at_others_go_on_through_a_flood_for_a_region_that_does_not_answer(own_world, silent):
    """Each of the flood's requests is for another image, and all at the same edge."""
    madrid, other = own_world.edges["madrid"], own_world.regions["us-central"]
    lost = [silent.add("world").photo_id for _ in range(REQUESTS)]
    looks = [other.add("world", 1000).photo_id for _ in range(40)]
    with ThreadPoolExecutor(REQUESTS) as flood:
        flooded = [flood.submit(timed, madrid, f"/p/{photo_id}/320.jpg") for photo_id in lost]
        answers = [timed(madrid, f"/p/{photo_id}/320.jpg") for photo_id in looks]
    assert [status for status, _ in answers] == [200] * len(looks)
    assert max(seconds for _, seconds in answers) < BOUND_S
    assert {future.result()[0] for future in flooded} <= {502, 503}


def test_where_a_home_is_another_region_says_while_the_nearest_one_does_not_answer(own_world, silent):
    """Also in the first second, before anybody knows that it does not."""
    answers = [timed(own_world.edges["lisbon"], "/v1/homes?country=US") for _ in range(10)]
    assert [status for status, _ in answers] == [200] * len(answers)
    assert max(seconds for _, seconds in answers) < BOUND_S


def test_deletions_elsewhere_reach_edges_while_a_region_does_not_answer(own_world, silent, refused, wait_for):
    """Each region has a loop of its own."""
    madrid, other = own_world.edges["madrid"], own_world.regions["us-central"]
    image = other.add("world")
    assert madrid.image(image).status == 200
    other.delete(image)
    wait_for(lambda: madrid.image(image).status == 404)


def test_a_region_that_answers_again_is_back_within_seconds(own_world, silent, refused, wait_for):
    """And nothing is refused any more."""
    silent.answers.set()
    image, lisbon = silent.add(), own_world.edges["lisbon"]
    wait_for(lambda: lisbon.image(image).status == 200)
    wait_for(lambda: lisbon.get("/health").json()["refused"] == [])
    lines = [json.loads(line) for line in lisbon.log_text().splitlines() if line.startswith("{")]
    assert "an upstream answers again" in {line.get("message") for line in lines}
