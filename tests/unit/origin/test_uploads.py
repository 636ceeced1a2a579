"""Starting an upload, reading its state, and aborting it."""

from urllib.parse import parse_qs, urlsplit

import pytest

from regions.stores.objects import RAW, raw_key
from tests.builders.uploads import expired_uploads

PART = 5 * 1024 * 1024
HOUR_MS, DAY_MS = 3600 * 1000, 24 * 3600 * 1000


def test_init_returns_a_url_for_each_part(api, ana):
    """Signed for exactly the part's length: two whole parts and the rest."""
    upload = api.start_upload(ana, 2 * PART + 7)
    assert (upload["upload_id"], upload["part_size"]) == (upload["photo_id"], PART)
    assert [part["number"] for part in upload["parts"]] == [1, 2, 3]
    assert [parse_qs(urlsplit(part["url"]).query)["size"] for part in upload["parts"]] == [[str(PART)]] * 2 + [["7"]]
    assert upload["presigned_url"] == upload["parts"][0]["url"]
    assert upload["expires_at"].endswith("Z")


def test_a_photo_exists_from_the_start_of_its_upload(api, ana):
    """It is `uploading`, with its caption, and has no images."""
    photo_id = api.start_upload(ana, caption="At sea\nby night")["photo_id"]
    photo = api.request("GET", f"/v1/photos/{photo_id}", user=ana).json
    assert (photo["status"], photo["caption"], photo["variants"]) == ("uploading", "At sea\nby night", {})


@pytest.mark.parametrize("size_bytes", [0, -1, 100 * 1024 * 1024 + 1, 1.5, "9", True, None, [], 1 << 70])
def test_a_size_out_of_bounds_is_rejected(api, ana, size_bytes):
    """1 byte to 100 MiB, as a whole number."""
    body = {"filename": "a.jpg", "size_bytes": size_bytes, "content_type": "image/jpeg"}
    assert api.request("POST", "/v1/uploads/init", body, ana).status_code == 400


def test_the_largest_photo_has_twenty_parts(api, ana):
    """100 MiB in parts of 5 MiB."""
    assert len(api.start_upload(ana, 100 * 1024 * 1024)["parts"]) == 20


@pytest.mark.parametrize(
    "content_type", ["text/html", "image/svg+xml", "application/octet-stream", "image/x-canon-cr2"]
)
def test_a_content_type_that_is_not_accepted_is_rejected(api, ana, content_type):
    """422 lists the accepted types."""
    body = {"filename": "a.jpg", "size_bytes": 9, "content_type": content_type}
    response = api.request("POST", "/v1/uploads/init", body, ana)
    assert response.status_code == 422
    assert "image/jpeg" in response.json["detail"]


@pytest.mark.parametrize("sha256", ["ab", "G" * 64, "AB" * 32, "ab" * 33, 7, ["ab" * 32], "ab" * 31 + "\nb"])
def test_an_invalid_checksum_is_rejected(api, ana, sha256):
    """64 lower-case hexadecimal digits."""
    body = {"filename": "a.jpg", "size_bytes": 9, "content_type": "image/jpeg", "sha256": sha256}
    assert api.request("POST", "/v1/uploads/init", body, ana).status_code == 400


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
def test_texts_out_of_bounds_are_rejected(api, ana, change):
    """And no upload is created."""
    body = {"filename": "a.jpg", "size_bytes": 9, "content_type": "image/jpeg", **change}
    assert api.request("POST", "/v1/uploads/init", body, ana).status_code == 400
    assert expired_uploads(api.catalog, 1 << 60) == []


def test_a_valid_token_of_an_unknown_user_uploads_nothing(api, access_token, unused_id):
    """The catalog may have lost the user."""
    token = access_token(unused_id("u"), "eu-west")
    body = {"filename": "a.jpg", "size_bytes": 9, "content_type": "image/jpeg"}
    response = api.client.simulate_post("/v1/uploads/init", json=body, headers={"Authorization": f"Bearer {token}"})
    assert response.status_code == 404


def test_an_upload_lists_the_parts_that_arrived_and_those_that_are_missing(api, ana):
    """Each missing part has a fresh URL."""
    upload_id = api.start_upload(ana, PART + 7)["upload_id"]
    part = api.put(upload_id, 2, b"the end")
    upload = api.request("GET", f"/v1/uploads/{upload_id}", user=ana).json
    assert upload["status"] == "uploading"
    assert upload["parts"] == [{**part, "size_bytes": 7}]
    assert [missing["number"] for missing in upload["missing"]] == [1]
    assert upload["missing"][0]["url"].startswith("http://objects.test/part/")


def test_a_part_of_the_wrong_length_is_missing(api, ana):
    """However it was stored."""
    upload_id = api.start_upload(ana, 9)["upload_id"]
    api.put(upload_id, 1, b"too short"[:4])
    assert [part["number"] for part in api.request("GET", f"/v1/uploads/{upload_id}", user=ana).json["missing"]] == [1]


def test_urls_are_valid_for_an_hour_but_not_longer_than_the_upload(api, ana):
    """An upload is valid for a day. In its last half hour its URLs are valid for that half hour."""
    upload = api.start_upload(ana)
    assert expiry_ms(upload["presigned_url"]) == api.clock.now_ms() + HOUR_MS
    api.clock.advance(DAY_MS - HOUR_MS // 2)
    later = api.request("GET", f"/v1/uploads/{upload['upload_id']}", user=api.refreshed(ana)).json
    assert expiry_ms(later["missing"][0]["url"]) == api.clock.now_ms() + HOUR_MS // 2


def expiry_ms(url: str) -> int:
    return int(parse_qs(urlsplit(url).query)["expires"][0])


def test_an_expired_upload_is_gone(api, ana):
    """410 for reading and for completing it."""
    upload_id = api.start_upload(ana)["upload_id"]
    part = api.put(upload_id, 1, b"a picture")
    api.clock.advance(DAY_MS)
    ana = api.refreshed(ana)
    assert api.request("GET", f"/v1/uploads/{upload_id}", user=ana).status_code == 410
    assert api.complete(ana, upload_id, [part]).status_code == 410
    assert api.published("photos_uploaded") == []


def test_a_complete_upload_has_the_status_of_its_photo(api, ana):
    """No part is missing, even after the upload would have expired."""
    upload_id = api.uploaded(ana)
    api.clock.advance(2 * DAY_MS)
    upload = api.request("GET", f"/v1/uploads/{upload_id}", user=api.refreshed(ana)).json
    assert (upload["status"], upload["parts"], upload["missing"]) == ("processing", [], [])


def test_only_the_owner_can_use_an_upload(api, ana, eva):
    """It does not exist for other users, on every route."""
    upload_id = api.start_upload(ana)["upload_id"]
    assert api.request("GET", f"/v1/uploads/{upload_id}", user=eva).status_code == 404
    assert api.request("DELETE", f"/v1/uploads/{upload_id}", user=eva).status_code == 404
    assert api.complete(eva, upload_id, [api.put(upload_id, 1, b"a picture")]).status_code == 404


def test_an_unknown_upload_is_not_found(api, ana, unused_id):
    """Nor is an invalid id. For an id of another region, 421 names that region."""
    assert api.request("GET", f"/v1/uploads/{unused_id('p')}", user=ana).status_code == 404
    for wrong in ("x", "p_", "p_0123456789", "u_00000000000", "p_zzzzzzzzzzz", "p_0000000000é"):
        assert api.request("GET", f"/v1/uploads/{wrong}", user=ana).status_code == 404, wrong
    elsewhere = api.request("GET", f"/v1/uploads/{unused_id('p', 1)}", user=ana)
    assert (elsewhere.status_code, elsewhere.json["region"]) == (421, "eu-central")


def test_an_aborted_upload_leaves_nothing(api, ana):
    """Neither the photo nor its parts."""
    upload_id = api.start_upload(ana)["upload_id"]
    api.put(upload_id, 1, b"a picture")
    multipart_id = api.catalog.uploads.get(upload_id).multipart_id
    assert api.request("DELETE", f"/v1/uploads/{upload_id}", user=ana).status_code == 204
    assert api.request("GET", f"/v1/photos/{upload_id}").status_code == 404
    assert api.objects.list_parts(multipart_id) == []
    assert api.request("DELETE", f"/v1/uploads/{upload_id}", user=ana).status_code == 404


def test_a_complete_upload_can_not_be_aborted(api, ana):
    """409: the client should delete the photo instead. The bytes stay."""
    upload_id = api.uploaded(ana)
    assert api.request("DELETE", f"/v1/uploads/{upload_id}", user=ana).status_code == 409
    assert api.objects.info(RAW, raw_key(upload_id)).size_bytes == 9
