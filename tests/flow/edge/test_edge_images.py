"""Images through real edges: one fetch for all, kept where they may lie, whole or cut, never wrong."""

import base64
import hashlib
import http.client
import json
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest


def test_a_first_look_is_a_miss_and_a_second_a_hit(home, madrid):
    """The far edge asks the shield, which asks the origin; each says what it did, the shield first (RFC 9211)."""
    image = home.add()
    first, second = madrid.image(image), madrid.image(image)
    assert first.data == second.data == image.body
    assert first.headers["Cache-Status"] == "lisbon; fwd=uri-miss; stored, madrid; fwd=uri-miss; stored"
    assert second.headers["Cache-Status"] == "madrid; hit"
    assert second.headers["ETag"] == f'"{image.sha256}"'
    digest = base64.b64encode(hashlib.sha256(image.body).digest()).decode()
    assert second.headers["Repr-Digest"] == f"sha-256=:{digest}:"
    assert second.headers["Cache-Control"].startswith("public, max-age=")
    assert second.headers["Access-Control-Allow-Origin"] == "*"
    assert home.fetched(image) == 1


def test_a_hundred_simultaneous_misses_are_one_fetch(home, madrid):
    """Two edges, a hundred readers who all have the head before the rest comes, and the object is asked for once."""
    image = home.add(behave="held")
    readers = [madrid.board(image) for _ in range(100)]
    statuses = [reader.head().headers["Cache-Status"] for reader in readers]
    image.release.set()
    assert {reader.rest() for reader in readers} == {image.body}
    assert (home.fetched(image), home.served[f"/v1/grants/{image.photo_id}/320"]) == (1, 1)
    assert sum(status.endswith("madrid; fwd=uri-miss; stored; collapsed") for status in statuses) == 99


def test_three_edges_at_once_are_one_fetch_of_the_object(home, madrid, chicago, lisbon):
    """Each edge has a grant of its own; the shield fetches the bytes once for all of them."""
    image = home.add(behave="held")
    readers = [edge.board(image) for edge in (madrid, chicago, lisbon)]
    assert [reader.head().status for reader in readers] == [200, 200, 200]
    image.release.set()
    assert {reader.rest() for reader in readers} == {image.body}
    assert home.fetched(image) == 1


def test_bytes_reach_readers_while_they_arrive(home, madrid):
    """The first half can be read although the second has not left the objects."""
    image = home.add(behave="held", size_bytes=1_000_000)
    reader = madrid.board(image)
    first = reader.head().read(400_000)
    image.release.set()
    assert first + reader.rest() == image.body


def test_a_reader_who_leaves_disturbs_nobody(home, madrid, wait_for):
    """The one who started the fetch hangs up; the other gets it whole, and it is stored."""
    image = home.add(behave="held")
    leaver, stayer = madrid.board(image), madrid.board(image)
    assert (leaver.head().status, stayer.head().status) == (200, 200)
    leaver.hang_up()
    image.release.set()
    assert stayer.rest() == image.body
    wait_for(lambda: madrid.files_of(image))
    assert madrid.image(image).headers["Cache-Status"] == "madrid; hit"


def test_readers_who_all_leave_still_leave_the_copy(home, madrid, wait_for):
    """What may be kept is fetched to its end."""
    image = home.add(behave="held")
    leaver = madrid.board(image)
    leaver.head()
    leaver.hang_up()
    image.release.set()
    wait_for(lambda: madrid.files_of(image))
    assert madrid.image(image).data == image.body


@pytest.mark.parametrize("behave", ["short", "wrong"])
def test_a_body_that_is_not_what_was_promised_is_cut_and_never_stored(home, lisbon, madrid, behave, wait_for):
    """No reader takes it for the whole; and when the objects mend, the next reader gets the whole."""
    image = home.add(behave=behave)
    for edge in (madrid, lisbon):
        reader = edge.board(image)
        assert reader.head().status == 200
        with pytest.raises(http.client.IncompleteRead):
            reader.rest()
        assert edge.files_of(image) == []
    image.behave = "whole"
    assert madrid.image(image).data == image.body


def test_a_photo_of_the_eu_is_shown_in_the_us_and_not_kept_there(world, home, lisbon, chicago, wait_for):
    """Twice, and each time it comes from the EU; the client is told not to keep it either."""
    image = home.add("eu")
    for _ in range(2):
        answer = chicago.image(image)
        assert answer.data == image.body
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Cache-Status"].endswith("chicago; fwd=uri-miss")
    wait_for(lambda: lisbon.files_of(image))
    assert chicago.files_of(image) == []
    assert holds(world, chicago, image) == []


def test_what_may_not_be_shown_at_a_place_is_refused_with_the_rule(home, chicago, lisbon, world):
    """No policy can be read, so nothing crosses: 451, and the shield does not fetch a byte."""
    image = home.add("eu")
    world.policy = None
    for edge in (chicago, lisbon):
        answer = edge.image(image)
        assert (answer.status, answer.headers["Content-Type"]) == (451, "application/problem+json")
        assert "no policy" in answer.json()["rule"]
    assert home.fetched(image) == 0


def test_a_deleted_photo_is_gone_within_seconds(home, madrid, lisbon, world, wait_for):
    """From both tiers of both edges, and it does not come back."""
    image = home.add()
    assert madrid.image(image).data == image.body
    wait_for(lambda: madrid.files_of(image) and lisbon.files_of(image))
    home.bury(image)
    for edge in (madrid, lisbon):
        wait_for(lambda edge=edge: edge.image(image).status == 404)
        assert edge.files_of(image) == []
        assert holds(world, edge, image) == []


def test_what_is_in_flight_when_its_tombstone_comes_is_not_stored(home, madrid, lisbon, wait_for):
    """The reader gets what was on its way; nobody after, and nothing stays."""
    image = home.add(behave="held")
    reader = madrid.board(image)
    assert reader.head().status == 200
    home.bury(image)
    wait_for(lambda: madrid.get(f"/p/{image.photo_id}/320.jpg", "HEAD").status == 404)
    image.release.set()
    assert reader.rest() == image.body
    assert madrid.image(image).status == 404
    assert madrid.files_of(image) + lisbon.files_of(image) == []


def test_a_photo_that_is_not_ready_is_found_a_moment_later(home, madrid, wait_for):
    """A 404 is remembered for about a second, not longer."""
    image = home.add()
    hidden = home.images.pop(image.photo_id)
    assert madrid.image(image).status == 404
    home.images[image.photo_id] = hidden
    wait_for(lambda: madrid.image(image).status == 200)


def test_a_second_miss_of_nothing_does_not_ask_again(home, lisbon):
    """Negative caching: ten requests at once for what is not there are one question."""
    image = home.add()
    del home.images[image.photo_id]
    with ThreadPoolExecutor(10) as threads:
        assert {answer.status for answer in threads.map(lambda _: lisbon.image(image), range(10))} == {404}
    assert home.served[f"/v1/grants/{image.photo_id}/320"] == 1


def test_a_copy_that_may_be_shown_needs_no_origin(home, madrid):
    """The region goes away, and what an edge knows well it shows."""
    image = home.add()
    madrid.image(image)
    home.away = True
    assert madrid.image(image).headers["Cache-Status"] == "madrid; hit"


def test_a_region_that_is_away_is_a_problem_that_may_pass(home, madrid, lisbon):
    """Nothing lies here and nobody answers: 502 or 503, and when to come again."""
    image = home.add()
    home.away = True
    for edge in (lisbon, madrid):
        answer = edge.image(image)
        assert answer.status in (502, 503)
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.headers["Retry-After"] == "1"


def test_a_part_of_an_image_can_be_asked_for(home, madrid):
    """RFC 9110 ranges, on a miss and on a hit."""
    image = home.add()
    parts = {"bytes=0-9": slice(0, 10), "bytes=199990-": slice(199_990, None), "bytes=-5": slice(-5, None)}
    for wanted, part in parts.items():
        answer = madrid.image(image, Range=wanted)
        assert (answer.status, answer.data) == (206, image.body[part])
        assert answer.headers["Content-Range"].endswith("/200000")
    beyond = madrid.image(image, Range="bytes=200000-")
    assert (beyond.status, beyond.headers["Content-Range"]) == (416, "bytes */200000")


def test_who_has_the_image_already_is_told_so(home, madrid):
    """If-None-Match: 304 without a body, on a miss and on a hit; other bytes are sent whole."""
    image = home.add()
    for _ in range(2):
        answer = madrid.image(image, If_None_Match=f'W/"x", "{image.sha256}"')
        assert (answer.status, answer.data) == (304, b"")
        assert answer.headers["ETag"] == f'"{image.sha256}"'
    assert madrid.image(image, If_None_Match='"other"').data == image.body


def test_head_is_a_get_without_the_body(home, madrid):
    """The same fields, and nothing after them; the connection goes on."""
    image = home.add()
    for _ in range(2):
        answer = madrid.get(f"/p/{image.photo_id}/320.jpg", "HEAD")
        assert (answer.status, answer.headers["Content-Length"], answer.data) == (200, "200000", b"")
    assert madrid.image(image).data == image.body


def test_who_forges_a_servers_name_is_an_ordinary_client(home, lisbon, world):
    """Another's key signs no token of madrid's; the grant stays between the edges."""
    image = home.add()
    forged = world.node_token("chicago").split(".")
    forged[0] = world.node_token("madrid").split(".")[0]
    for token in (".".join(forged), "x", "a.b.c"):
        answer = lisbon.image(image, Darkroom_Node=token)
        assert (answer.status, "Darkroom-Grant" in answer.headers) == (200, False)
    real = lisbon.image(image, Darkroom_Node=world.node_token("madrid"))
    assert real.headers["Darkroom-Grant"].startswith('serve=?1, cache=?1; rule="policy.yaml:')


def test_only_servers_may_ask_what_an_edge_holds_and_what_is_buried(home, lisbon, world):
    """401 for everybody else."""
    image = home.add()
    lisbon.image(image)
    for path in (f"/edge/inventory/{image.photo_id}", "/edge/tombstones?after=0"):
        assert lisbon.get(path).status == 401
        assert lisbon.get(path, Darkroom_Node=world.node_token("eu-west")).status == 200


def test_a_request_that_was_here_before_is_refused(home, lisbon):
    """CDN-Loop (RFC 8586): 508."""
    image = home.add()
    assert lisbon.image(image, CDN_Loop="other, darkroom-lisbon; v=1").status == 508
    assert lisbon.get("/v1/users/x", CDN_Loop="darkroom-lisbon").status == 508


def test_a_shield_answers_edges_for_its_own_region_only(world, lisbon):
    """421 with the region that would; so that no edge ever asks on behalf of another."""
    image = world.regions["us-central"].add("world")
    answer = lisbon.image(image, Darkroom_Node=world.node_token("madrid"))
    assert (answer.status, answer.json()["region"]) == (421, "us-central")


def test_what_a_new_policy_forbids_is_dropped_at_the_next_question(own_world, wait_for):
    """Renewed after a restart, a copy that may not lie here any more is gone from the disk."""
    region, chicago = own_world.regions["us-central"], own_world.edges["chicago"]
    image = region.add("world")
    chicago.image(image)
    wait_for(lambda: chicago.files_of(image))
    image.residency_class = "eu"
    assert chicago.stop() == 0
    chicago.start()
    wait_for(lambda: not chicago.files_of(image), chicago.said)
    assert chicago.image(image).data == image.body


def test_a_restart_keeps_the_cache_but_asks_whether_it_is_right(own_world, wait_for):
    """The bytes come from disk, after the shield confirmed them with a 304; even after kill -9."""
    region, madrid = own_world.regions["eu-west"], own_world.edges["madrid"]
    image = region.add()
    madrid.image(image)
    wait_for(lambda: madrid.files_of(image))
    madrid.stop(signal.SIGKILL)
    madrid.start()
    answer = madrid.image(image)
    assert answer.data == image.body
    assert region.fetched(image) == 1


@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: b"\0" + data[1:], lambda data: b""])
def test_a_damaged_file_is_never_shown(own_world, damage, wait_for):
    """Cut, flipped or emptied while the edge was down: fetched anew, and stored anew."""
    region, madrid = own_world.regions["eu-west"], own_world.edges["madrid"]
    image = region.add()
    madrid.image(image)
    wait_for(lambda: madrid.files_of(image))
    madrid.stop(signal.SIGKILL)
    [file] = madrid.files_of(image)
    file.write_bytes(damage(image.body))
    madrid.start()
    assert madrid.image(image).data == image.body
    wait_for(lambda: [path.read_bytes() for path in madrid.files_of(image)] == [image.body])


def test_a_photo_deleted_while_the_edge_was_down_is_not_shown(own_world, wait_for):
    """The copy on disk is asked for before it is shown, and goes."""
    region, madrid = own_world.regions["eu-west"], own_world.edges["madrid"]
    image = region.add()
    madrid.image(image)
    wait_for(lambda: madrid.files_of(image))
    madrid.stop()
    region.bury(image)
    wait_for(lambda: own_world.edges["lisbon"].image(image).status == 404)
    madrid.start()
    assert madrid.image(image).status == 404
    wait_for(lambda: not madrid.files_of(image))


def test_an_edge_whose_launcher_dies_ends_too(own_world):
    """End-of-file on its standard input is a request to stop."""
    madrid = own_world.edges["madrid"]
    madrid.process.stdin.close()
    assert madrid.process.wait(20) == 0


def holds(world, edge, image) -> list[dict]:
    answer = edge.get(f"/edge/inventory/{image.photo_id}", Darkroom_Node=world.node_token("eu-west"))
    assert answer.status == 200
    return json.loads(answer.data)["items"]
