"""Beginning an upload, asking how it stands, and giving it up."""

from urllib.parse import parse_qs, urlsplit

import pytest

from regions import tokens
from regions.clock import now_ms
from regions.stores.objects import RAW, raw_key

PART = 5 * 1024 * 1024
HOUR_MS, DAY_MS = 3600 * 1000, 24 * 3600 * 1000


def test_init_says_where_each_part_goes(api, ana):
    """Signed for exactly its length: two whole parts and the rest."""
    upload = api.begin(ana, 2 * PART + 7)
    assert (upload["upload_id"], upload["part_size"]) == (upload["photo_id"], PART)
    assert [part["number"] for part in upload["parts"]] == [1, 2, 3]
    assert [parse_qs(urlsplit(part["url"]).query)["size"] for part in upload["parts"]] == [[str(PART)]] * 2 + [["7"]]
    assert upload["presigned_url"] == upload["parts"][0]["url"]
    assert upload["expires_at"].endswith("Z")


def test_a_begun_photo_waits_for_its_bytes(api, ana):
    """It is there, uploading, with its caption, and has no images."""
    photo_id = api.begin(ana, caption="At sea\nby night")["photo_id"]
    photo = api.ask("GET", f"/v1/photos/{photo_id}").json
    assert (photo["status"], photo["caption"], photo["variants"]) == ("uploading", "At sea\nby night", {})


@pytest.mark.parametrize("size_bytes", [0, -1, 100 * 1024 * 1024 + 1, 1.5, "9", True, None, [], 1 << 70])
def test_a_size_out_of_bounds_is_refused(api, ana, size_bytes):
    """1 byte to 100 MiB, as a whole number."""
    body = {"filename": "a.jpg", "size_bytes": size_bytes, "content_type": "image/jpeg"}
    assert api.ask("POST", "/v1/uploads/init", body, ana).status_code == 400


def test_the_largest_photo_has_twenty_parts(api, ana):
    """100 MiB in parts of 5 MiB."""
    assert len(api.begin(ana, 100 * 1024 * 1024)["parts"]) == 20


@pytest.mark.parametrize("content_type", ["text/html", "image/svg+xml", "application/octet-stream", "image/gif"])
def test_what_is_no_photo_by_its_own_account_is_refused(api, ana, content_type):
    """422 names the types that are."""
    body = {"filename": "a.jpg", "size_bytes": 9, "content_type": content_type}
    answer = api.ask("POST", "/v1/uploads/init", body, ana)
    assert answer.status_code == 422
    assert "image/jpeg" in answer.json["detail"]


@pytest.mark.parametrize("sha256", ["ab", "G" * 64, "AB" * 32, "ab" * 33, 7, ["ab" * 32], "ab" * 31 + "\nb"])
def test_a_checksum_that_is_none_is_refused(api, ana, sha256):
    """64 lower-case hexadecimal digits."""
    body = {"filename": "a.jpg", "size_bytes": 9, "content_type": "image/jpeg", "sha256": sha256}
    assert api.ask("POST", "/v1/uploads/init", body, ana).status_code == 400


@pytest.mark.parametrize(
    "change",
    [
        {"filename": ""},
        {"filename": "a" * 256},
        {"filename": "a\0.jpg"},
        {"filename": "a\n.jpg"},
        {"filename": None},
        {"content_type": None},
        {"content_type": {"image": "jpeg"}},
        {"caption": "a" * 2201},
        {"caption": 7},
        {"caption": "a\x1bb"},
        {"caption": "a\udfffb"},
    ],
)
def test_texts_out_of_bounds_are_refused(api, ana, change):
    """And nothing is begun."""
    body = {"filename": "a.jpg", "size_bytes": 9, "content_type": "image/jpeg", **change}
    assert api.ask("POST", "/v1/uploads/init", body, ana).status_code == 400
    assert api.catalog.uploads.expired(1 << 62, 10) == []


def test_a_token_of_somebody_who_is_not_there_uploads_nothing(api, ana, nobodys):
    """A catalog that was lost knows none of its people."""
    token = tokens.issue_user(nobodys("u"), "eu-west", api.context.private_key, now_ms() // 1000)
    body = {"filename": "a.jpg", "size_bytes": 9, "content_type": "image/jpeg"}
    answer = api.client.simulate_post("/v1/uploads/init", json=body, headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 404


def test_an_upload_tells_what_has_arrived_and_what_is_missing(api, ana):
    """With a fresh URL for each part that is."""
    upload_id = api.begin(ana, PART + 7)["upload_id"]
    part = api.put(upload_id, 2, b"the end")
    upload = api.ask("GET", f"/v1/uploads/{upload_id}", who=ana).json
    assert upload["status"] == "uploading"
    assert upload["parts"] == [{**part, "size_bytes": 7}]
    assert [missing["number"] for missing in upload["missing"]] == [1]
    assert upload["missing"][0]["url"].startswith("http://objects.test/part/")


def test_a_part_of_the_wrong_length_is_still_missing(api, ana):
    """However it came there."""
    upload_id = api.begin(ana, 9)["upload_id"]
    api.put(upload_id, 1, b"too short"[:4])
    assert [part["number"] for part in api.ask("GET", f"/v1/uploads/{upload_id}", who=ana).json["missing"]] == [1]


def test_urls_are_good_for_an_hour_and_no_longer_than_the_upload(api, ana):
    """An upload lasts a day; in its last half hour so do its URLs."""
    upload = api.begin(ana)
    assert expiry_ms(upload["presigned_url"]) == api.clock.now_ms() + HOUR_MS
    api.clock.advance(DAY_MS - HOUR_MS // 2)
    later = api.ask("GET", f"/v1/uploads/{upload['upload_id']}", who=ana).json
    assert expiry_ms(later["missing"][0]["url"]) == api.clock.now_ms() + HOUR_MS // 2


def expiry_ms(url: str) -> int:
    return int(parse_qs(urlsplit(url).query)["expires"][0])


def test_an_expired_upload_is_over(api, ana):
    """410, to look and to complete: begin again."""
    upload_id = api.begin(ana)["upload_id"]
    part = api.put(upload_id, 1, b"a picture")
    api.clock.advance(DAY_MS)
    assert api.ask("GET", f"/v1/uploads/{upload_id}", who=ana).status_code == 410
    assert api.complete(ana, upload_id, [part]).status_code == 410
    assert api.told("photos_uploaded") == []


def test_a_finished_upload_tells_how_the_photo_does(api, ana):
    """Nothing is missing any more, however late one asks."""
    upload_id = api.uploaded(ana)
    api.clock.advance(2 * DAY_MS)
    upload = api.ask("GET", f"/v1/uploads/{upload_id}", who=ana).json
    assert (upload["status"], upload["parts"], upload["missing"]) == ("processing", [], [])


def test_an_upload_is_its_owners_alone(api, ana, eva):
    """403 for others, whatever they try."""
    upload_id = api.begin(ana)["upload_id"]
    assert api.ask("GET", f"/v1/uploads/{upload_id}", who=eva).status_code == 403
    assert api.ask("DELETE", f"/v1/uploads/{upload_id}", who=eva).status_code == 403
    assert api.complete(eva, upload_id, [api.put(upload_id, 1, b"a picture")]).status_code == 403


def test_an_upload_that_is_not_there_is_not_found(api, ana, nobodys):
    """Nor is what is no id of ours; another region's is sent there."""
    assert api.ask("GET", f"/v1/uploads/{nobodys('p')}", who=ana).status_code == 404
    for wrong in ("x", "p_", "p_0123456789", "u_00000000000", "p_zzzzzzzzzzz", "p_0000000000é"):
        assert api.ask("GET", f"/v1/uploads/{wrong}", who=ana).status_code == 404, wrong
    elsewhere = api.ask("GET", f"/v1/uploads/{nobodys('p', 1)}", who=ana)
    assert (elsewhere.status_code, elsewhere.json["region"]) == (421, "eu-central")


def test_an_aborted_upload_leaves_nothing(api, ana):
    """Neither the photo nor its parts."""
    upload_id = api.begin(ana)["upload_id"]
    api.put(upload_id, 1, b"a picture")
    multipart_id = api.catalog.uploads.get(upload_id).multipart_id
    assert api.ask("DELETE", f"/v1/uploads/{upload_id}", who=ana).status_code == 204
    assert api.ask("GET", f"/v1/photos/{upload_id}").status_code == 404
    assert api.objects.list_parts(multipart_id) == []
    assert api.ask("DELETE", f"/v1/uploads/{upload_id}", who=ana).status_code == 404


def test_a_complete_upload_is_not_aborted(api, ana):
    """409: delete the photo instead; its bytes stay."""
    upload_id = api.uploaded(ana)
    assert api.ask("DELETE", f"/v1/uploads/{upload_id}", who=ana).status_code == 409
    assert api.objects.info(RAW, raw_key(upload_id)).size_bytes == 9
