"""How the buckets of a region are set up: on moto, which has lifecycle rules, and on versitygw, which refuses."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import urllib3

from regions.errors import TopologyError
from regions.stores.objects import RAW, VARIANTS

ORIGIN = "https://photos.example"


@pytest.fixture(params=[RAW, VARIANTS])
def bucket(request, moto):
    return moto.address.bucket(request.param)


def test_what_nobody_finished_is_swept(moto, bucket):
    """After a week, wherever its key begins."""
    moto.prepare()
    (rule,) = moto.client.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    assert rule["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 7}
    assert (rule["Status"], rule["Filter"]) == ("Enabled", {"Prefix": ""})
    assert "Expiration" not in rule


def test_browsers_see_the_etag(moto, bucket):
    """On a page of any origin: it has to tell which part it sent."""
    moto.prepare()
    (rule,) = moto.client.get_bucket_cors(Bucket=bucket)["CORSRules"]
    assert "ETag" in rule["ExposeHeaders"]
    assert {"GET", "PUT"} <= set(rule["AllowedMethods"])
    assert rule["AllowedOrigins"] == ["*"]


def test_the_public_is_kept_out(moto, bucket):
    """By the block that overrules every policy and ACL."""
    moto.prepare()
    blocked = moto.client.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    assert set(blocked.values()) == {True}


def test_doing_it_again_changes_nothing(moto, bucket):
    """No rule is there twice, and objects stay."""
    moto.prepare()
    moto.put("ab/photo", b"a photo")
    moto.prepare()
    assert len(moto.client.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]) == 1
    assert len(moto.client.get_bucket_cors(Bucket=bucket)["CORSRules"]) == 1
    assert moto.whole("ab/photo") == b"a photo"


def test_an_operators_own_rules_stay(moto, bucket):
    """A store replaces all rules of a bucket at once; ours must not take others with them."""
    moto.prepare()
    theirs = {"ID": "theirs", "Status": "Enabled", "Filter": {"Prefix": "old/"}, "Expiration": {"Days": 900}}
    moto.client.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": [theirs]})
    moto.prepare()
    rules = moto.client.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    assert {rule["ID"] for rule in rules} == {"theirs", "darkroom-abort-unfinished"}


@pytest.mark.parametrize("store", ["moto", "strict"])
def test_several_may_do_it_at_once(store, request):
    """As when all processes of a region start together."""
    bench = request.getfixturevalue(store)
    with ThreadPoolExecutor(4) as threads:
        for done in [threads.submit(bench.prepare) for _ in range(4)]:
            done.result()
    assert list(bench.objects.list(RAW)) == []


def test_a_bucket_with_versions_is_refused(moto, bucket):
    """What is deleted there is not gone; not even when versioning is suspended."""
    moto.prepare()
    for status in ("Enabled", "Suspended"):
        moto.client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": status})
        with pytest.raises(TopologyError, match="versions"):
            moto.prepare()


@pytest.mark.parametrize("action", ["s3:ListBucket", "s3:GetObject"])
def test_a_public_bucket_is_refused(strict, action):
    """Where the store has no block, it is looked at."""
    bucket = strict.address.bucket(RAW)
    resource = f"arn:aws:s3:::{bucket}" + ("/*" if action == "s3:GetObject" else "")
    allow = {"Effect": "Allow", "Principal": "*", "Action": action, "Resource": resource}
    strict.client.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [allow]}))
    with pytest.raises(TopologyError, match="anybody"):
        strict.prepare()


def test_a_bucket_that_is_public_by_its_acl_is_refused(strict):
    """No policy says so, but anybody who asks gets an answer."""
    bucket = strict.address.bucket(RAW)
    owner = {"Rules": [{"ObjectOwnership": "BucketOwnerPreferred"}]}
    strict.client.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls=owner)
    strict.client.put_bucket_acl(Bucket=bucket, ACL="public-read")
    with pytest.raises(TopologyError, match="anybody"):
        strict.prepare()


def test_a_browser_is_told_so(strict):
    """The strict store answers a page's preflight, and exposes the ETag of what it then sends."""
    url = f"{strict.address.service.endpoint}/{strict.address.bucket(RAW)}/ab/photo"
    asked = {"Origin": ORIGIN, "Access-Control-Request-Method": "PUT"}
    said = urllib3.request("OPTIONS", url, headers=asked, retries=False, timeout=20)
    assert (said.status, said.headers["Access-Control-Allow-Origin"]) == (200, "*")
    assert "ETag" in said.headers["Access-Control-Expose-Headers"]


@pytest.mark.parametrize("call", ["lifecycle", "access_block"])
def test_a_store_that_lacks_a_call_must_say_so(strict, call):
    """The message says which: nothing is left out by guess."""
    strict.address = replace(strict.address, **{call: True})
    with pytest.raises(TopologyError, match="say so in its URL"):
        strict.prepare()
