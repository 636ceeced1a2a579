"""What the S3 adapter does beyond its port's contract: large objects, many parts, what it signs, what it refuses."""

import base64
import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest
import urllib3

from regions.clock import now_ms
from regions.errors import BadRequest, Conflict, Unavailable, Unprocessable
from regions.stores.objects import RAW, Part
from regions.stores.s3.objects import S3Objects
from regions.stores.s3.puts import PART_BYTES
from regions.stores.s3.session import Credentials, parse_address
from tests.builders.objects import grain, sha256

KEY = "ab/p_00000000abc"
MINUTE_MS = 60_000


def in_chunks(data: bytes, size_bytes: int):
    return (data[at : at + size_bytes] for at in range(0, len(data), size_bytes))


def query(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


@pytest.fixture
def nowhere():
    """A store that nobody has reached, and that nothing has been asked of."""
    return S3Objects(parse_address("s3://prefix?region=eu-west-1"), Credentials("key", "secret"))


@pytest.mark.parametrize("size_bytes", [PART_BYTES - 1, PART_BYTES, PART_BYTES + 1, 2 * PART_BYTES + 3])
def test_an_object_may_be_larger_than_a_part(strict, size_bytes):
    """At, below and above the bounds of parts, from chunks that do not meet them."""
    data = grain(size_bytes)
    info = strict.objects.put(RAW, KEY, in_chunks(data, 999_983), sha256(data), "image/jpeg", "no-cache")
    assert strict.objects.info(RAW, KEY) == info
    assert (info.size_bytes, info.sha256, info.cache_control) == (size_bytes, sha256(data), "no-cache")
    assert strict.whole(KEY) == data
    assert strict.unfinished() == []


def test_a_large_object_with_another_hash_leaves_nothing(strict):
    """The parts that were sent before it was known are gone too."""
    data = grain(PART_BYTES + 1)
    with pytest.raises(Unprocessable):
        strict.objects.put(RAW, KEY, [data], sha256(b"other"), "image/jpeg")
    assert strict.objects.info(RAW, KEY) is None
    assert strict.unfinished() == []


def test_a_large_source_that_breaks_off_leaves_nothing(strict):
    """The error is the source's own."""

    def breaks_off():
        yield grain(PART_BYTES + 1)
        raise ConnectionResetError("the source died")

    with pytest.raises(ConnectionResetError):
        strict.objects.put(RAW, KEY, breaks_off(), sha256(b"any"), "image/jpeg")
    assert strict.objects.info(RAW, KEY) is None
    assert strict.unfinished() == []


def test_a_large_object_can_be_replaced(strict):
    """And the very same one leaves no second upload behind."""
    for seed in (1, 2, 2):
        data = grain(PART_BYTES + 1, seed)
        strict.put(KEY, data)
        assert strict.whole(KEY) == data
    assert strict.unfinished() == []


def test_a_store_without_checksums_gets_the_hash_in_the_signature(strict):
    """Small and large, and without conditional writes too."""
    service = replace(strict.address.service, checksums="when_required")
    strict.address = replace(strict.address, service=service, conditional=False)
    for size_bytes in (7, PART_BYTES + 7):
        data = grain(size_bytes)
        assert strict.put(KEY, data) == strict.objects.info(RAW, KEY)
        assert strict.whole(KEY) == data


@pytest.mark.parametrize("checksums", ["when_supported", "when_required"])
def test_bytes_travel_with_their_hash(proxied, proxy, checksums):
    """As a checksum, or in the signature where the store knows no checksums: then it is sent none at all."""
    service = replace(proxied.address.service, checksums=checksums)
    proxied.address = replace(proxied.address, service=service)
    proxied.put(KEY, b"a photo")
    headers = {name.lower(): value for name, value in proxy.seen[0].headers.items()}
    sent = {name: value for name, value in headers.items() if "checksum" in name}
    if checksums == "when_supported":
        assert sent == {"x-amz-checksum-sha256": base64.b64encode(hashlib.sha256(b"a photo").digest()).decode()}
    else:
        assert (sent, headers["x-amz-content-sha256"]) == ({}, sha256(b"a photo"))


def test_the_same_object_is_not_written_again(strict):
    """A repeated put leaves it as it was, so that its readers go on."""
    where = {"Bucket": strict.address.bucket(RAW), "Key": KEY}
    strict.put(KEY, b"a photo")
    strict.client.copy_object(
        **where,
        CopySource=where,
        MetadataDirective="REPLACE",
        ContentType="image/jpeg",
        Metadata={"sha256": sha256(b"a photo"), "mark": "first"},
    )
    strict.put(KEY, b"a photo")
    assert strict.client.head_object(**where)["Metadata"]["mark"] == "first"


def test_more_parts_than_a_page_are_all_known(strict):
    """S3 tells of a thousand at a time."""
    objects = strict.objects
    multipart_id = objects.create_upload(RAW, KEY)

    def send(number: int) -> int:
        url = objects.sign_part(multipart_id, number, 1, now_ms() + MINUTE_MS).url
        return urllib3.request("PUT", url, body=b"x", retries=False, timeout=20).status

    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(send, range(1, 1003))) == {200}
    assert [part.number for part in objects.list_parts(multipart_id)] == list(range(1, 1003))
    objects.abort_upload(multipart_id)


def test_an_upload_that_still_gets_parts_is_not_stale(strict, eventually):
    """However long ago it began: what counts is the last part."""
    multipart_id = strict.objects.create_upload(RAW, KEY)
    (upload,) = strict.unfinished()
    where = {"Bucket": strict.address.bucket(RAW), "Key": KEY, "UploadId": upload["UploadId"]}

    def a_part_ms() -> int:
        strict.client.upload_part(**where, PartNumber=1, Body=b"x")
        return int(strict.client.list_parts(**where)["Parts"][0]["LastModified"].timestamp() * 1000)

    began_ms = upload["Initiated"].timestamp() * 1000
    last_ms = eventually(lambda: at_ms if (at_ms := a_part_ms()) > began_ms else None, within_s=5)
    assert strict.objects.abort_stale_uploads(last_ms) == 0
    assert len(strict.objects.list_parts(multipart_id)) == 1
    assert strict.objects.abort_stale_uploads(last_ms + 1000) == 1


def test_more_objects_than_a_page_are_all_listed(moto, monkeypatch):
    """Here two at a time."""
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "2")
    moto.prepare()
    for number in range(5):
        moto.put(f"ab/p_{number}", b"x")
    assert sorted(info.key for info in moto.objects.list(RAW)) == [f"ab/p_{number}" for number in range(5)]


def test_a_part_of_another_size_never_gets_in(moto):
    """moto takes what was not signed, as some stores do: then it is the finish that refuses."""
    moto.prepare()
    multipart_id = moto.objects.create_upload(RAW, KEY)
    signed = moto.objects.sign_part(multipart_id, 1, 7, now_ms() + MINUTE_MS)
    urllib3.request("PUT", signed.url, body=b"far more than that", retries=False, timeout=20)
    (arrived,) = moto.objects.list_parts(multipart_id)
    with pytest.raises(Conflict):
        moto.objects.complete_upload(multipart_id, [Part(1, arrived.etag, 7)])
    assert moto.objects.info(RAW, KEY) is None


def test_wrong_keys_are_no_missing_photo(strict):
    """Whoever has lost their keys hears that the store is away, not that nothing is there."""
    strict.put(KEY, b"a photo")
    stranger = S3Objects(strict.address, Credentials("darkroom", "wrong"))
    for ask in (
        stranger.info,
        stranger.delete,
        stranger.create_upload,
        lambda *where: stranger.open(*where).__enter__(),
    ):
        with pytest.raises(Unavailable):
            ask(RAW, KEY)
    with pytest.raises(Unavailable):
        list(stranger.list(RAW))


def test_a_missing_bucket_is_no_missing_photo(moto):
    """It is the store that is not set up."""
    for ask in (moto.whole, lambda key: moto.put(key, b"x"), lambda key: list(moto.objects.list(RAW, key))):
        with pytest.raises(Unavailable):
            ask(KEY)


def test_a_part_url_signs_its_length_and_no_type(nowhere):
    """A browser sets a type of its own, which a signature over it would turn into a refusal."""
    signed = nowhere.sign_part(f"{RAW}~{KEY}~upload", 3, 7, now_ms() + MINUTE_MS)
    assert query(signed.url)["X-Amz-SignedHeaders"] == "content-length;host"
    assert (query(signed.url)["partNumber"], query(signed.url)["uploadId"]) == ("3", "upload")
    assert signed.headers == {}


def test_a_url_leads_to_the_bucket_in_its_region(nowhere):
    """And asks no store."""
    url = urlsplit(nowhere.sign_get(RAW, KEY, now_ms() + MINUTE_MS))
    assert (url.scheme, url.netloc, url.path) == ("https", "prefix-raw.s3.eu-west-1.amazonaws.com", f"/{KEY}")


@pytest.mark.parametrize(
    ("lasting_ms", "expires_s"), [(MINUTE_MS, range(59, 62)), (-MINUTE_MS, [1]), (30 * 86_400_000, [604_800])]
)
def test_a_url_lasts_as_long_as_s3_lets_it(nowhere, lasting_ms, expires_s):
    """At least a second, at most a week."""
    assert int(query(nowhere.sign_get(RAW, KEY, now_ms() + lasting_ms))["X-Amz-Expires"]) in expires_s


@pytest.mark.parametrize(
    "multipart_id",
    [
        "",
        "raw",
        f"raw~{KEY}",
        f"raw~{KEY}~",
        f"photos~{KEY}~id",
        "raw~../ab~id",
        f"raw~{KEY}~i d",
        f"raw~{KEY}~{'i' * 1025}",
    ],
)
def test_an_upload_id_that_plays_tricks_is_refused(nowhere, multipart_id):
    """Before anything is asked of the store."""
    for trick in (
        nowhere.list_parts,
        nowhere.abort_upload,
        lambda one: nowhere.complete_upload(one, [Part(1, "a", 1)]),
    ):
        with pytest.raises(BadRequest):
            trick(multipart_id)


@pytest.mark.parametrize("prefix", ["/", "../", "ab//", ".ab", "ab/\0", "a~b"])
def test_a_prefix_that_plays_tricks_is_refused(nowhere, prefix):
    """No key begins so."""
    with pytest.raises(BadRequest):
        nowhere.list(RAW, prefix)
