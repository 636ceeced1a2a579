"""What S3 stores take by the URL of a whole object, beyond the port's contract, and what those take that lack a feature
of S3."""

import base64
import hashlib
from urllib.parse import parse_qs, urlsplit

import pytest
import urllib3

from regions.clock import now_ms
from regions.errors import Unavailable
from regions.stores.objects import IMMUTABLE, RAW, SignedPut
from tests.builders.objects import image, sha256

KEY = "ab/p_00000000abc"
PHOTO = b"a photo of the harbour"
OTHER = PHOTO[::-1]


def sign(store, data: bytes = PHOTO) -> SignedPut:
    return store.objects.sign_put(RAW, image(KEY, data), now_ms() + 60_000)


def send(signed: SignedPut, body: bytes = PHOTO, **headers: str) -> int:
    sent = {**signed.headers, **headers}
    return urllib3.request("PUT", signed.url, body=body, headers=sent, retries=False, timeout=20).status


def test_everything_that_must_be_sent_is_signed(moto):
    """And the length, which the sender's HTTP client says. Signing sends no request but for the stamp."""
    moto.prepare()
    signed = sign(moto)
    names = parse_qs(urlsplit(signed.url).query)["X-Amz-SignedHeaders"][0].split(";")
    assert sorted(names) == sorted(["content-length", "host", *(name.lower() for name in signed.headers)])
    assert signed.headers == {
        "Content-Type": "image/jpeg",
        "Cache-Control": IMMUTABLE,
        "If-None-Match": "*",
        "x-amz-checksum-sha256": base64.b64encode(hashlib.sha256(PHOTO).digest()).decode(),
    }


@pytest.mark.parametrize(
    "header",
    ["x-amz-acl", "x-amz-tagging", "x-amz-meta-other", "x-amz-storage-class", "x-amz-website-redirect-location"],
)
def test_a_sender_adds_nothing_of_amazons_to_what_was_signed(strict, header):
    """Such as an ACL that would let everybody read."""
    assert send(sign(strict), **{header: "public-read"}) == 403
    assert strict.objects.info(RAW, KEY) is None


def test_another_hash_can_not_be_claimed_for_the_bytes(strict):
    """The checksum can't be replaced by that of other bytes, and no metadata added that names a hash."""
    signed, other = sign(strict), sign(strict, OTHER)
    assert send(signed, OTHER, **other.headers) == 403
    assert send(signed, **{"x-amz-meta-sha256": sha256(OTHER)}) == 403
    assert strict.objects.info(RAW, KEY) is None


@pytest.mark.parametrize("metadata", [{}, {"sha256": sha256(OTHER)}])
def test_the_hash_is_the_one_that_the_store_has_computed(strict, metadata):
    """Not one that a sender has named."""
    bucket = strict.address.bucket(RAW)
    strict.client.put_object(Bucket=bucket, Key=KEY, Body=PHOTO, ChecksumAlgorithm="SHA256", Metadata=metadata)
    assert strict.objects.info(RAW, KEY).sha256 == sha256(PHOTO)


def test_a_store_that_compares_no_checksums_never_says_the_hash(strict):
    """It takes other bytes. The one who verifies them sees no hash, and must read them."""
    signed = sign(strict.opened_as("when_required", conditional=True))
    assert {name for name in signed.headers if name.startswith("x-amz-")} == set()
    assert send(signed, OTHER) == 200
    assert strict.objects.info(RAW, KEY).sha256 is None
    assert strict.whole(KEY) == OTHER
    assert send(signed) == 412


def test_a_store_that_ignores_checksums_never_says_the_hash(moto):
    """Although its URL promises them: the hash is then that of nothing, and the length may be another one."""
    moto.prepare()
    assert send(sign(moto), OTHER[1:]) == 200
    info = moto.objects.info(RAW, KEY)
    assert (info.sha256, info.size_bytes) == (None, len(PHOTO) - 1)


def test_a_store_without_conditions_takes_the_same_bytes_again(strict):
    """And no others."""
    signed = sign(strict.opened_as("when_supported", conditional=False))
    assert [send(signed), send(signed), send(signed, OTHER)] == [200, 200, 400]
    assert strict.whole(KEY) == PHOTO


def test_a_store_that_compares_nothing_takes_nothing(strict):
    """What was verified could be replaced by the same URL."""
    with pytest.raises(Unavailable):
        sign(strict.opened_as("when_required", conditional=False))
