"""What the S3 adapter does beyond its port's contract: large objects, many parts, signed URLs, rejected input."""

import base64
import hashlib
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qs, urlsplit

import pytest
import urllib3

from regions.clock import now_ms
from regions.errors import BadRequest, Conflict, Unavailable, Unprocessable
from regions.stores.objects import RAW, Part
from regions.stores.s3.objects import S3Objects
from regions.stores.s3.puts import PART_BYTES
from regions.stores.s3.reads import Reads
from regions.stores.s3.session import Credentials, parse_address
from tests.builders.objects import grain, sha256
from tests.builders.stores import REGION_OF_STORES

KEY = "ab/p_00000000abc"
MINUTE_MS = 60_000


def in_chunks(data: bytes, size_bytes: int):
    return (data[at : at + size_bytes] for at in range(0, len(data), size_bytes))


def query(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


@pytest.fixture
def unconnected():
    """A store that has sent no request yet, and does not read its stamp."""
    opened = S3Objects(parse_address("s3://prefix?region=eu-west-1"), Credentials("key", "secret"), REGION_OF_STORES)
    opened._stamp.require = lambda: None
    return opened


@pytest.mark.parametrize("size_bytes", [PART_BYTES - 1, PART_BYTES, PART_BYTES + 1, 2 * PART_BYTES + 3])
def test_an_object_may_be_larger_than_a_part(strict, size_bytes):
    """At, below and above the size of a part, from chunks that do not divide it."""
    data = grain(size_bytes)
    info = strict.objects.put(RAW, KEY, in_chunks(data, 999_983), sha256(data), "image/jpeg", "no-cache")
    assert strict.objects.info(RAW, KEY) == info
    assert (info.size_bytes, info.sha256, info.cache_control) == (size_bytes, sha256(data), "no-cache")
    assert strict.whole(KEY) == data
    assert strict.unfinished() == []


def test_a_large_object_with_another_hash_leaves_nothing(strict):
    """The parts that were sent before the hash was known are removed too."""
    data = grain(PART_BYTES + 1)
    with pytest.raises(Unprocessable):
        strict.objects.put(RAW, KEY, [data], sha256(b"other"), "image/jpeg")
    assert strict.objects.info(RAW, KEY) is None
    assert strict.unfinished() == []


def test_nothing_is_stored_when_a_large_source_fails(strict):
    """The source's own error is raised."""

    def breaks_off():
        yield grain(PART_BYTES + 1)
        raise ConnectionResetError("the source died")

    with pytest.raises(ConnectionResetError):
        strict.objects.put(RAW, KEY, breaks_off(), sha256(b"any"), "image/jpeg")
    assert strict.objects.info(RAW, KEY) is None
    assert strict.unfinished() == []


def test_a_large_object_can_be_replaced(strict):
    """Putting the same object again leaves no upload behind."""
    for seed in (1, 2, 2):
        data = grain(PART_BYTES + 1, seed)
        strict.put(KEY, data)
        assert strict.whole(KEY) == data
    assert strict.unfinished() == []


def test_a_store_without_checksums_gets_the_hash_in_the_signature(strict):
    """For small and large objects, also without conditional writes."""
    store = strict.opened_as(checksums="when_required", conditional=False)
    for size_bytes in (7, PART_BYTES + 7):
        data = grain(size_bytes)
        assert store.put(KEY, data) == store.objects.info(RAW, KEY)
        assert store.whole(KEY) == data


@pytest.mark.parametrize("checksums", ["when_supported", "when_required"])
def test_bytes_are_sent_with_their_hash(proxied, proxy, checksums):
    """As a checksum, or only in the signature if the store does not support checksums."""
    store = proxied.opened_as(checksums, conditional=False)
    proxy.fail()
    store.put(KEY, b"a photo")
    headers = {name.lower(): value for name, value in proxy.requests[0].headers.items()}
    sent = {name: value for name, value in headers.items() if "checksum" in name}
    if checksums == "when_supported":
        assert sent == {"x-amz-checksum-sha256": base64.b64encode(hashlib.sha256(b"a photo").digest()).decode()}
    else:
        assert (sent, headers["x-amz-content-sha256"]) == ({}, sha256(b"a photo"))


def test_the_same_object_is_not_written_again(strict):
    """A repeated put leaves it unchanged, so that its readers can resume."""
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


def test_more_parts_than_a_page_are_all_listed(strict):
    """S3 lists a thousand at a time."""
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
    """However long ago it was created: only the time of its last part counts."""
    multipart_id = strict.objects.create_upload(RAW, KEY)
    (upload,) = strict.unfinished()
    where = {"Bucket": strict.address.bucket(RAW), "Key": KEY, "UploadId": upload["UploadId"]}

    def a_part_ms() -> int:
        strict.client.upload_part(**where, PartNumber=1, Body=b"x")
        return int(strict.client.list_parts(**where)["Parts"][0]["LastModified"].timestamp() * 1000)

    created_ms = upload["Initiated"].timestamp() * 1000
    last_ms = eventually(lambda: at_ms if (at_ms := a_part_ms()) > created_ms else None, within_s=5)
    assert strict.objects.abort_stale_uploads(last_ms) == 0
    assert len(strict.objects.list_parts(multipart_id)) == 1
    assert strict.objects.abort_stale_uploads(last_ms + 1000) == 1


def test_more_objects_than_a_page_are_all_listed(moto, monkeypatch):
    """Here with two objects a page."""
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "2")
    moto.prepare()
    for number in range(5):
        moto.put(f"ab/p_{number}", b"x")
    assert sorted(info.key for info in moto.objects.list(RAW)) == [f"ab/p_{number}" for number in range(5)]


def test_a_part_of_another_size_can_not_be_completed(moto):
    """Like some stores, moto accepts a part that was not signed; then completing the upload is a conflict."""
    moto.prepare()
    multipart_id = moto.objects.create_upload(RAW, KEY)
    signed = moto.objects.sign_part(multipart_id, 1, 7, now_ms() + MINUTE_MS)
    urllib3.request("PUT", signed.url, body=b"far more than that", retries=False, timeout=20)
    (arrived,) = moto.objects.list_parts(multipart_id)
    with pytest.raises(Conflict):
        moto.objects.complete_upload(multipart_id, [Part(1, arrived.etag, 7)])
    assert moto.objects.info(RAW, KEY) is None


def test_wrong_keys_are_not_a_missing_photo(strict):
    """With invalid keys the store is unavailable; it does not look as if the object did not exist."""
    strict.put(KEY, b"a photo")
    unauthorized = S3Objects(strict.address, Credentials("darkroom", "wrong"), REGION_OF_STORES)
    for call in (
        unauthorized.info,
        unauthorized.delete,
        unauthorized.create_upload,
        lambda *where: unauthorized.open(*where).__enter__(),
    ):
        with pytest.raises(Unavailable):
            call(RAW, KEY)
    with pytest.raises(Unavailable):
        list(unauthorized.list(RAW))


def test_a_missing_bucket_is_not_a_missing_photo(moto):
    """The store is not set up, so it is unavailable."""
    for call in (moto.whole, lambda key: moto.put(key, b"x"), lambda key: list(moto.objects.list(RAW, key))):
        with pytest.raises(Unavailable):
            call(KEY)


@pytest.mark.parametrize("proxy", ["", "http://proxy.example:3128"])
def test_a_proxy_of_the_environment_is_left_to_boto3(monkeypatch, proxy):
    """It knows what those variables mean, and how to speak to one."""
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    address, credentials = parse_address("s3://prefix?region=eu-west-1"), Credentials("key", "secret")
    opened = S3Objects(address, credentials, REGION_OF_STORES)
    assert isinstance(opened._reads, Reads) is not bool(proxy)


def test_a_part_url_signs_its_length_and_no_type(unconnected):
    """A browser sets a type of its own, which a signed type would make invalid."""
    signed = unconnected.sign_part(f"{RAW}~{KEY}~upload", 3, 7, now_ms() + MINUTE_MS)
    assert query(signed.url)["X-Amz-SignedHeaders"] == "content-length;host"
    assert (query(signed.url)["partNumber"], query(signed.url)["uploadId"]) == ("3", "upload")
    assert signed.headers == {}


def test_a_signed_url_names_the_bucket_and_its_region(unconnected):
    """Signing sends no request."""
    url = urlsplit(unconnected.sign_get(RAW, KEY, now_ms() + MINUTE_MS))
    assert (url.scheme, url.netloc, url.path) == ("https", "prefix-raw.s3.eu-west-1.amazonaws.com", f"/{KEY}")


@pytest.mark.parametrize(
    ("valid_ms", "expires_s"), [(MINUTE_MS, range(59, 62)), (-MINUTE_MS, [1]), (30 * 86_400_000, [604_800])]
)
def test_a_signed_url_is_valid_as_long_as_s3_allows(unconnected, valid_ms, expires_s):
    """At least a second, at most a week."""
    assert int(query(unconnected.sign_get(RAW, KEY, now_ms() + valid_ms))["X-Amz-Expires"]) in expires_s


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
def test_a_malicious_upload_id_is_rejected(unconnected, multipart_id):
    """Before any request is sent."""
    for call in (
        unconnected.list_parts,
        unconnected.abort_upload,
        lambda one: unconnected.complete_upload(one, [Part(1, "a", 1)]),
    ):
        with pytest.raises(BadRequest):
            call(multipart_id)


@pytest.mark.parametrize("prefix", ["/", "../", "ab//", ".ab", "ab/\0", "a~b"])
def test_a_malicious_prefix_is_rejected(unconnected, prefix):
    """No key starts with it."""
    with pytest.raises(BadRequest):
        unconnected.list(RAW, prefix)
