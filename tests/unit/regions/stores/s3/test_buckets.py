"""How the buckets of a region are set up: on moto, which has lifecycle rules, and on the stricter versitygw."""

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


def test_unfinished_uploads_are_removed_by_a_lifecycle_rule(moto, bucket):
    """After a week, whatever their key."""
    moto.prepare()
    (rule,) = moto.client.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    assert rule["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 7}
    assert (rule["Status"], rule["Filter"]) == ("Enabled", {"Prefix": ""})
    assert "Expiration" not in rule


def test_browsers_can_read_the_etag(moto, bucket):
    """On a page of any origin: the client needs the ETags to complete an upload."""
    moto.prepare()
    (rule,) = moto.client.get_bucket_cors(Bucket=bucket)["CORSRules"]
    assert "ETag" in rule["ExposeHeaders"]
    assert {"GET", "PUT"} <= set(rule["AllowedMethods"])
    assert rule["AllowedOrigins"] == ["*"]


def test_public_access_is_blocked(moto, bucket):
    """The block overrules every policy and ACL."""
    moto.prepare()
    blocked = moto.client.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    assert set(blocked.values()) == {True}


def test_preparing_again_changes_nothing(moto, bucket):
    """No rule is duplicated, and objects are kept."""
    moto.prepare()
    moto.put("ab/photo", b"a photo")
    moto.prepare()
    assert len(moto.client.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]) == 1
    assert len(moto.client.get_bucket_cors(Bucket=bucket)["CORSRules"]) == 1
    assert moto.whole("ab/photo") == b"a photo"


def test_an_operators_own_rules_are_kept(moto, bucket):
    """A store replaces all rules of a bucket at once; ours must not remove others."""
    moto.prepare()
    theirs = {"ID": "theirs", "Status": "Enabled", "Filter": {"Prefix": "old/"}, "Expiration": {"Days": 900}}
    moto.client.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": [theirs]})
    moto.prepare()
    rules = moto.client.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    assert {rule["ID"] for rule in rules} == {"theirs", "darkroom-abort-unfinished"}


@pytest.mark.parametrize("name", ["moto", "strict"])
def test_several_processes_may_prepare_at_once(name, request):
    """For instance when all processes of a region start together."""
    store = request.getfixturevalue(name)
    with ThreadPoolExecutor(4) as threads:
        for done in [threads.submit(store.prepare) for _ in range(4)]:
            done.result()
    assert list(store.objects.list(RAW)) == []


def test_a_bucket_with_versions_is_rejected(moto, bucket):
    """It would keep deleted objects, even if versioning is suspended."""
    moto.prepare()
    for status in ("Enabled", "Suspended"):
        moto.client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": status})
        with pytest.raises(TopologyError, match="versions"):
            moto.prepare()


@pytest.mark.parametrize("action", ["s3:ListBucket", "s3:GetObject"])
def test_a_public_bucket_is_rejected(strict, action):
    """If the store can't block public access, its policy is checked."""
    bucket = strict.address.bucket(RAW)
    resource = f"arn:aws:s3:::{bucket}" + ("/*" if action == "s3:GetObject" else "")
    allow = {"Effect": "Allow", "Principal": "*", "Action": action, "Resource": resource}
    strict.client.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [allow]}))
    with pytest.raises(TopologyError, match="anybody"):
        strict.prepare()


def test_a_bucket_that_is_public_by_its_acl_is_rejected(strict):
    """It has no policy, but an anonymous request succeeds."""
    bucket = strict.address.bucket(RAW)
    owner = {"Rules": [{"ObjectOwnership": "BucketOwnerPreferred"}]}
    strict.client.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls=owner)
    strict.client.put_bucket_acl(Bucket=bucket, ACL="public-read")
    with pytest.raises(TopologyError, match="anybody"):
        strict.prepare()


def test_a_preflight_request_of_a_browser_is_allowed(strict):
    """The strict store responds to it and exposes the ETag."""
    url = f"{strict.address.service.endpoint}/{strict.address.bucket(RAW)}/ab/photo"
    headers = {"Origin": ORIGIN, "Access-Control-Request-Method": "PUT"}
    response = urllib3.request("OPTIONS", url, headers=headers, retries=False, timeout=20)
    assert (response.status, response.headers["Access-Control-Allow-Origin"]) == (200, "*")
    assert "ETag" in response.headers["Access-Control-Expose-Headers"]


@pytest.mark.parametrize("call", ["lifecycle", "access_block"])
def test_the_url_must_declare_a_call_that_the_store_lacks(strict, call):
    """The message names it. No call is skipped without being declared."""
    strict.address = replace(strict.address, **{call: True})
    with pytest.raises(TopologyError, match="declare that in its URL"):
        strict.prepare()
