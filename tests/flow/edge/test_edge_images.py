"""Images through real edges: one fetch for all readers, cached only if allowed, complete or cut off, never wrong."""

import base64
import hashlib
import http.client
import json
import shutil
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

from regions import node_tokens
from regions.clock import now_s
from regions.node_tokens import Call
from tests.builders.statements import Compliance, node_key
from tests.flow.edge.conftest import POLICY

DENYING = POLICY.replace(
    "    rules:\n",
    "    rules:\n      - {deny: [serve], at: [chicago], because: A test.}\n"
    "      - {deny: [cache], at: [madrid], because: A test.}\n",
    1,
)


def test_the_first_request_is_a_miss_and_the_second_a_hit(home, madrid):
    """The edge asks the shield, which asks the origin; Cache-Status names both, the shield first (RFC 9211)."""
    image = home.add()
    first, second = madrid.image(image), madrid.image(image)
    assert first.data == second.data == image.body
    assert first.headers["Cache-Status"] == "lisbon; fwd=uri-miss; stored, madrid; fwd=uri-miss; stored"
    assert second.headers["Cache-Status"] == "madrid; hit"
    assert second.headers["ETag"] == f'"{image.sha256}"'
    digest = base64.b64encode(hashlib.sha256(image.body).digest()).decode()
    assert second.headers["Repr-Digest"] == f"sha-256=:{digest}:"
    assert second.headers["Cache-Control"].startswith("private, max-age=")
    assert second.headers["Access-Control-Allow-Origin"] == "*"
    assert home.fetched(image) == 1


def test_a_hundred_simultaneous_misses_are_one_fetch(home, madrid):
    """A hundred readers, which all have the headers before the body is complete, cause one request for the object."""
    image = home.add(behave="paused")
    readers = [madrid.open(image) for _ in range(100)]
    statuses = [reader.read_head().headers["Cache-Status"] for reader in readers]
    image.release.set()
    assert {reader.read_rest() for reader in readers} == {image.body}
    assert (home.fetched(image), home.served[f"/v1/grants/{image.photo_id}/320.jpg"]) == (1, 1)
    assert sum(status.endswith("madrid; fwd=uri-miss; stored; collapsed") for status in statuses) == 99


def test_simultaneous_misses_of_three_edges_are_one_fetch_of_the_object(home, madrid, chicago, lisbon):
    """Each edge has a grant of its own; the shield fetches the bytes once for all of them."""
    image = home.add(behave="paused")
    readers = [edge.open(image) for edge in (madrid, chicago, lisbon)]
    assert [reader.read_head().status for reader in readers] == [200, 200, 200]
    image.release.set()
    assert {reader.read_rest() for reader in readers} == {image.body}
    assert home.fetched(image) == 1


def test_readers_get_bytes_while_they_arrive(home, madrid):
    """The first half can be read although the object server has not sent the second."""
    image = home.add(behave="paused", size_bytes=1_000_000)
    reader = madrid.open(image)
    first = reader.read_head().read(400_000)
    image.release.set()
    assert first + reader.read_rest() == image.body


def test_a_reader_that_disconnects_does_not_affect_the_others(home, madrid, wait_for):
    """The one that started the fetch disconnects; the other gets the whole image, and it is cached."""
    image = home.add(behave="paused")
    leaver, stayer = madrid.open(image), madrid.open(image)
    assert (leaver.read_head().status, stayer.read_head().status) == (200, 200)
    leaver.disconnect()
    image.release.set()
    assert stayer.read_rest() == image.body
    wait_for(lambda: madrid.files_of(image))
    assert madrid.image(image).headers["Cache-Status"] == "madrid; hit"


def test_an_image_is_cached_even_if_all_readers_disconnect(home, madrid, wait_for):
    """An image that may be cached is fetched to its end."""
    image = home.add(behave="paused")
    leaver = madrid.open(image)
    leaver.read_head()
    leaver.disconnect()
    image.release.set()
    wait_for(lambda: madrid.files_of(image))
    assert madrid.image(image).data == image.body


@pytest.mark.parametrize("behave", ["short", "wrong"])
def test_a_body_that_does_not_match_its_hash_is_cut_off_and_never_cached(home, lisbon, madrid, behave, wait_for):
    """No reader takes it for complete. When the object server works again, the next reader gets the whole image."""
    image = home.add(behave=behave)
    for edge in (madrid, lisbon):
        reader = edge.open(image)
        assert reader.read_head().status == 200
        with pytest.raises(http.client.IncompleteRead):
            reader.read_rest()
        assert edge.files_of(image) == []
    image.behave = "whole"
    assert madrid.image(image).data == image.body


def test_an_eu_photo_is_served_in_the_us_and_not_cached_there(world, home, lisbon, chicago, wait_for):
    """Each request is forwarded to the EU, and the client may not cache the image either."""
    image = home.add("eu")
    for _ in range(2):
        response = chicago.image(image)
        assert response.data == image.body
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["Cache-Status"].endswith("chicago; fwd=uri-miss")
    wait_for(lambda: lisbon.files_of(image))
    assert chicago.files_of(image) == []
    assert inventory(world, chicago, image) == []


def test_an_image_that_a_place_may_not_serve_is_refused_with_the_rule(own_world, wait_for):
    """451 from the moment at which the statement has arrived, and the copies there are dropped. Others go on."""
    home, chicago, madrid = own_world.regions["eu-west"], own_world.edges["chicago"], own_world.edges["madrid"]
    image, other = home.add("eu"), home.add("eu")
    wait_for(lambda: chicago.image(image).status == madrid.image(image).status == 200)
    wait_for(lambda: madrid.files_of(image))
    own_world.state(DENYING)
    wait_for(lambda: chicago.image(image).status == 451)
    response = chicago.image(image)
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.json()["rule"].startswith("policy.yaml:")
    wait_for(lambda: not madrid.files_of(image))
    assert madrid.image(image).data == image.body
    assert (chicago.image(other).status, home.fetched(other)) == (451, 0)
    own_world.state()
    wait_for(lambda: chicago.image(image).status == 200)


def test_a_statement_that_the_compliance_team_has_not_signed_is_ignored(own_world, wait_for):
    """Whatever a region's origin says. The edge goes on by the one that it has, and says so in its log."""
    home, chicago = own_world.regions["eu-west"], own_world.edges["chicago"]
    image, team = home.add("eu"), own_world.compliance
    wait_for(lambda: chicago.image(image).status == 200)
    own_world.compliance = Compliance(latest=team.latest, name="stranger")
    own_world.state(DENYING)
    wait_for(lambda: "ALARM" in chicago.log_text())
    assert chicago.image(image).status == 200
    own_world.compliance = team


def test_without_a_lease_nothing_of_the_eu_is_shown_elsewhere(own_world, wait_for):
    """503 in Chicago. In Madrid, and for a photo that may be anywhere, everything goes on."""
    chicago, madrid = own_world.edges["chicago"], own_world.edges["madrid"]
    european, american = own_world.regions["eu-west"].add("eu"), own_world.regions["us-central"].add("world")
    wait_for(lambda: chicago.image(european).status == 200)
    own_world.lease_left_s = 0.0
    wait_for(lambda: chicago.image(european).status == 503)
    assert madrid.image(european).status == madrid.image(american).status == 200
    own_world.lease_left_s = 60.0
    wait_for(lambda: chicago.image(european).status == 200)


def test_a_deleted_photo_is_gone_within_seconds(home, madrid, lisbon, world, wait_for):
    """From both tiers of both edges, and it does not reappear."""
    image = home.add()
    assert madrid.image(image).data == image.body
    wait_for(lambda: madrid.files_of(image) and lisbon.files_of(image))
    home.delete(image)
    for edge in (madrid, lisbon):
        wait_for(lambda edge=edge: edge.image(image).status == 404)
        wait_until_purged(world, edge, image, wait_for)


def test_a_deleted_photo_is_gone_in_every_recipe_and_format(home, madrid, lisbon, world, wait_for):
    """Each variant has a copy of its own, and the tombstone names none of them."""
    image, names = home.add(), ["320.jpg", "320.v2.jpg", "320.avif", "320.v2.avif", "7.webp"]
    assert {madrid.image(image, name).data for name in names} == {image.body}
    for edge in (madrid, lisbon):
        wait_for(lambda edge=edge: len(edge.files_of(image)) == len(names))
        assert {item["name"] for item in inventory(world, edge, image)} == set(names)
    home.delete(image)
    for edge in (madrid, lisbon):
        for name in names:
            wait_for(lambda edge=edge, name=name: edge.image(image, name).status == 404)
        wait_until_purged(world, edge, image, wait_for)


@pytest.mark.parametrize(
    ("name", "content_type"), [("320.jpg", "image/jpeg"), ("320.avif", "image/avif"), ("320.v2.webp", "image/webp")]
)
def test_an_image_is_sent_with_the_content_type_of_its_format(home, madrid, name, content_type):
    """On a miss and on a hit."""
    image = home.add()
    for _ in range(2):
        assert madrid.image(image, name).headers["Content-Type"] == content_type


@pytest.mark.parametrize("name", ["320", "320.png", "0320.jpg", "320.v1.jpg", "320.jpg.jpg", "1" * 30, "%3320.jpg"])
def test_what_is_not_the_name_of_a_variant_is_not_requested_from_the_origin(home, madrid, lisbon, name):
    """404 at the first edge."""
    image = home.add()
    for edge in (madrid, lisbon):
        assert edge.image(image, name).status == 404
    assert [path for path in home.served if image.photo_id in path] == []


def test_an_image_whose_tombstone_arrives_during_the_fetch_is_not_cached(home, madrid, lisbon, wait_for):
    """The reader that has the headers already gets the body; later readers get a 404, and nothing is cached."""
    image = home.add(behave="paused")
    reader = madrid.open(image)
    assert reader.read_head().status == 200
    home.delete(image)
    wait_for(lambda: madrid.get(f"/p/{image.photo_id}/320.jpg", "HEAD").status == 404)
    image.release.set()
    assert reader.read_rest() == image.body
    assert madrid.image(image).status == 404
    assert madrid.files_of(image) + lisbon.files_of(image) == []


def test_a_photo_that_becomes_ready_is_found_about_a_second_later(home, madrid, wait_for):
    """A 404 is remembered for about a second, not longer."""
    image = home.add()
    hidden = home.images.pop(image.photo_id)
    assert madrid.image(image).status == 404
    home.images[image.photo_id] = hidden
    wait_for(lambda: madrid.image(image).status == 200)


def test_simultaneous_requests_for_a_missing_photo_are_one_request_to_the_origin(home, lisbon):
    """Negative caching and request collapsing, for ten requests."""
    image = home.add()
    del home.images[image.photo_id]
    with ThreadPoolExecutor(10) as threads:
        assert {response.status for response in threads.map(lambda _: lisbon.image(image), range(10))} == {404}
    assert home.served[f"/v1/grants/{image.photo_id}/320.jpg"] == 1


def test_a_fresh_copy_is_served_without_the_origin(home, madrid):
    """Also while the region is unavailable."""
    image = home.add()
    madrid.image(image)
    home.unavailable = True
    assert madrid.image(image).headers["Cache-Status"] == "madrid; hit"


def test_an_unavailable_region_is_a_temporary_problem(home, madrid, lisbon):
    """Nothing is cached, and the upstream does not respond: 502 or 503, with Retry-After."""
    image = home.add()
    home.unavailable = True
    for edge in (lisbon, madrid):
        response = edge.image(image)
        assert response.status in (502, 503)
        assert response.headers["Content-Type"] == "application/problem+json"
        assert response.headers["Retry-After"] == "1"


def test_a_range_of_an_image_can_be_requested(home, madrid):
    """RFC 9110 ranges, on a miss and on a hit."""
    image = home.add()
    parts = {"bytes=0-9": slice(0, 10), "bytes=199990-": slice(199_990, None), "bytes=-5": slice(-5, None)}
    for header, part in parts.items():
        response = madrid.image(image, Range=header)
        assert (response.status, response.data) == (206, image.body[part])
        assert response.headers["Content-Range"].endswith("/200000")
    beyond = madrid.image(image, Range="bytes=200000-")
    assert (beyond.status, beyond.headers["Content-Range"]) == (416, "bytes */200000")
    head = madrid.get(f"/p/{image.photo_id}/320.jpg", "HEAD", Range="bytes=0-9")
    assert (head.status, head.headers["Content-Length"]) == (200, "200000")


def test_a_client_that_has_the_image_gets_a_304(home, madrid):
    """If-None-Match, on a miss and on a hit; if the ETag differs, the whole image is sent."""
    image = home.add()
    for _ in range(2):
        response = madrid.image(image, If_None_Match=f'W/"x", "{image.sha256}"')
        assert (response.status, response.data) == (304, b"")
        assert response.headers["ETag"] == f'"{image.sha256}"'
    assert madrid.image(image, If_None_Match='"other"').data == image.body


def test_head_is_a_get_without_the_body(home, madrid):
    """The same headers and no body; the connection stays usable."""
    image = home.add()
    for _ in range(2):
        response = madrid.get(f"/p/{image.photo_id}/320.jpg", "HEAD")
        assert (response.status, response.headers["Content-Length"], response.data) == (200, "200000", b"")
    assert madrid.image(image).data == image.body


def test_a_node_token_that_is_not_valid_is_refused(home, lisbon, world):
    """401: another edge's key can't sign a token of madrid's, and none is good for another image or another shield."""
    image = home.add()
    forged = world.image_token("chicago", image).split(".")
    forged[1] = world.image_token("madrid", image).split(".")[1]
    elsewhere = (world.image_token("madrid", home.add()), world.image_token("madrid", image, "chicago"))
    for token in (".".join(forged), "x", "", "a.b.c", *elsewhere):
        response = lisbon.image(image, Darkroom_Node=token)
        assert (response.status, "Darkroom-Grant" in response.headers) == (401, False)
        assert lisbon.get("/v1/photos/p_00000000001", Darkroom_Node=token).status == 401


def test_a_region_that_asks_for_an_image_is_no_client(home, lisbon, world):
    """It proves who it is, and images are for others."""
    image = home.add()
    assert lisbon.image(image, Darkroom_Node=world.image_token("us-central", image)).status == 403


def test_only_an_edge_gets_the_grant_with_an_image(home, lisbon, world):
    """With what it needs to decide itself, and what the shield decides for it."""
    image = home.add()
    asked = Call("eu-west", "GET", f"/v1/grants/{image.photo_id}/320.jpg", presenter="lisbon")
    shown = node_tokens.issue("madrid", "k1", node_key("madrid"), asked, now_s())
    tokens = {"Darkroom_Node": world.image_token("madrid", image), "Darkroom_Node_Grant": shown}
    assert lisbon.image(image, **tokens).headers["Darkroom-Grant"] == 'class="eu", cache=?1'
    assert "Darkroom-Grant" not in lisbon.image(image).headers


def test_only_servers_may_read_an_edges_inventory_and_tombstones(home, lisbon, world):
    """401 for everyone else."""
    image = home.add()
    lisbon.image(image)
    cursors = b'{"after": {}}'
    for path, method, body in (
        (f"/edge/inventory/{image.photo_id}", "GET", b""),
        ("/edge/tombstones", "POST", cursors),
    ):
        assert lisbon.get(path, method, body).status == 401
        token = world.node_token("eu-west", "lisbon", path, method, body)
        assert lisbon.get(path, method, body, Darkroom_Node=token).status == 200


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"after": 1}', b'{"after": {"0": -1}}', b'{"after": {"x": 1}}'])
def test_a_shield_passes_only_readable_cursors_on(lisbon, home, world, body):
    """400, and its origin gets no request because of it. Only a shield lists tombstones, and only by POST."""
    path = "/edge/tombstones"
    token = world.node_token("madrid", "lisbon", path, "POST", body)
    response = lisbon.get(path, "POST", body, Darkroom_Node=token)
    assert (response.status, response.headers["Content-Type"]) == (400, "application/problem+json")
    assert lisbon.get(path, Darkroom_Node=world.node_token("madrid", "lisbon", path)).status == 405
    madrid, cursors = world.edges["madrid"], b'{"after": {}}'
    token = world.node_token("lisbon", "madrid", path, "POST", cursors)
    assert madrid.get(path, "POST", cursors, Darkroom_Node=token).status == 404


def test_a_request_in_a_loop_is_refused(home, lisbon):
    """CDN-Loop (RFC 8586): 508."""
    image = home.add()
    assert lisbon.image(image, CDN_Loop="other, darkroom-lisbon; v=1").status == 508
    assert lisbon.get("/v1/users/x", CDN_Loop="darkroom-lisbon").status == 508


def test_a_shield_serves_other_edges_for_its_own_region_only(world, lisbon):
    """421 with the right region. So no edge makes requests on behalf of another."""
    image = world.regions["us-central"].add("world")
    response = lisbon.image(image, Darkroom_Node=world.image_token("madrid", image))
    assert (response.status, response.json()["region"]) == (421, "us-central")


def test_a_copy_that_a_new_policy_forbids_is_dropped_at_the_next_renewal(own_world, wait_for):
    """After a restart each copy is renewed, and one that may no longer be cached here is removed from the disk."""
    region, chicago = own_world.regions["us-central"], own_world.edges["chicago"]
    image = region.add("world")
    chicago.image(image)
    wait_for(lambda: chicago.files_of(image))
    image.residency_class = "eu"
    assert chicago.stop() == 0
    chicago.start()
    wait_for(lambda: not chicago.files_of(image), chicago.log_text)
    assert chicago.image(image).data == image.body


def test_a_restart_keeps_the_cache_and_asks_whether_the_copies_are_current(own_world, wait_for):
    """The bytes come from the disk after the shield has confirmed them with a 304, even after kill -9."""
    region, madrid = own_world.regions["eu-west"], own_world.edges["madrid"]
    image = region.add()
    madrid.image(image)
    wait_for(lambda: madrid.files_of(image))
    madrid.stop(signal.SIGKILL)
    madrid.start()
    response = madrid.image(image)
    assert response.data == image.body
    assert region.fetched(image) == 1


@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: b"\0" + data[1:], lambda data: b""])
def test_a_damaged_file_is_never_served(own_world, damage, wait_for):
    """Shortened, changed or emptied while the edge was down: the image is fetched and cached again."""
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


def test_a_photo_deleted_while_the_edge_was_down_is_not_served(own_world, wait_for):
    """The upstream is asked before the copy on disk is served, and the copy is removed."""
    region, madrid = own_world.regions["eu-west"], own_world.edges["madrid"]
    image = region.add()
    madrid.image(image)
    wait_for(lambda: madrid.files_of(image))
    madrid.stop()
    region.delete(image)
    wait_for(lambda: own_world.edges["lisbon"].image(image).status == 404)
    madrid.start()
    assert madrid.image(image).status == 404
    wait_for(lambda: not madrid.files_of(image))


def test_a_restarted_edge_reads_only_the_tombstones_that_came_meanwhile(own_world, wait_for):
    """Even after kill -9; if its cache was removed, all of them."""
    region, lisbon = own_world.regions["eu-west"], own_world.edges["lisbon"]
    image = region.add()
    lisbon.image(image)
    region.delete(image)
    saved, everything = lisbon.cache / "tombstones" / "eu-west.json", len(region.tombstones)
    wait_for(lambda: saved.exists() and json.loads(saved.read_text()) == {"0": everything})
    others = own_world.edges["madrid"], own_world.edges["chicago"]
    for edge in others:
        edge.stop()
    for remove_cache, expected in ((False, everything), (True, 0)):
        lisbon.stop(signal.SIGKILL)
        if remove_cache:
            shutil.rmtree(lisbon.cache)
        region.cursors.clear()
        lisbon.start()
        wait_for(lambda expected=expected: expected in region.cursors, lisbon.log_text)
        assert remove_cache or set(region.cursors) == {everything}
    for edge in others:
        edge.start()
        wait_for(lambda edge=edge: edge.get("/health").status == 200, edge.log_text)


def test_an_edge_ends_when_its_launcher_dies(own_world):
    """End-of-file on its standard input is a request to stop."""
    madrid = own_world.edges["madrid"]
    madrid.process.stdin.close()
    assert madrid.process.wait(20) == 0


def wait_until_purged(world, edge, image, wait_for) -> None:
    """The tombstone forbids serving at once; the copies are removed right after it, one by one."""
    wait_for(lambda: not edge.files_of(image) and inventory(world, edge, image) == [])


def inventory(world, edge, image) -> list[dict]:
    path = f"/edge/inventory/{image.photo_id}"
    response = edge.get(path, Darkroom_Node=world.node_token("eu-west", edge.name, path))
    assert response.status == 200
    return json.loads(response.data)["items"]
