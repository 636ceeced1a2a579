"""What an S3 store's examination finds: on moto, which has every call, and on versitygw, which checks signatures."""

import json
from dataclasses import replace

import pytest

from regions.stores.health import CheckResult, Level
from regions.stores.objects import RAW, VARIANTS
from regions.stores.s3.objects import S3Objects
from regions.stores.s3.session import Credentials


def ill(findings: list[CheckResult]) -> dict[str, Level]:
    """What is not well; each with an advice."""
    found = [finding for finding in findings if finding.level is not Level.OK]
    assert all(finding.advice for finding in found)
    return {finding.what: finding.level for finding in found}


def test_buckets_that_are_not_made_are_a_failure(moto):
    """`darkroom prepare` makes them."""
    (missing,) = moto.objects.check_health()
    assert (missing.level, moto.address.bucket(RAW) in missing.detail) == (Level.FAILURE, True)
    assert "darkroom prepare" in missing.advice
    moto.objects.prepare()
    assert moto.objects.check_health()[0].level is Level.OK


def test_prepared_buckets_have_their_rules_and_are_private(moto):
    """And hold nothing of the examination afterwards, no unfinished upload either."""
    moto.prepare()
    assert ill(moto.objects.check_health()) == {}
    assert moto.unfinished() == []
    assert list(moto.objects.list(RAW)) == list(moto.objects.list(VARIANTS)) == []


def test_rules_that_were_taken_away_are_a_warning(moto):
    """Both are named."""
    moto.prepare()
    moto.client.delete_bucket_cors(Bucket=moto.address.bucket(RAW))
    moto.client.delete_bucket_lifecycle(Bucket=moto.address.bucket(RAW))
    findings = moto.objects.check_health()
    assert ill(findings)["raw: rules"] is Level.WARNING
    (detail,) = [finding.detail for finding in findings if finding.what == "raw: rules"]
    assert "signed-urls" in detail and "abort-unfinished" in detail


def test_a_bucket_that_may_be_made_public_is_a_failure(moto):
    """Its block was taken away."""
    moto.prepare()
    moto.client.delete_public_access_block(Bucket=moto.address.bucket(VARIANTS))
    assert ill(moto.objects.check_health())["variants: private"] is Level.FAILURE


def test_a_bucket_with_versions_is_a_failure(moto):
    """What is deleted there is not gone."""
    moto.prepare()
    versioning = {"Status": "Enabled"}
    moto.client.put_bucket_versioning(Bucket=moto.address.bucket(RAW), VersioningConfiguration=versioning)
    assert ill(moto.objects.check_health())["raw: old versions"] is Level.FAILURE


def test_a_strict_store_is_well(strict):
    """It refuses who has no signature."""
    assert ill(strict.objects.check_health()) == {}


def test_a_public_bucket_is_a_failure_on_both_ways(strict):
    """The policy says so, and whoever asks without a signature gets the object."""
    bucket = strict.address.bucket(RAW)
    allow = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    strict.client.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [allow]}))
    assert ill(strict.objects.check_health()) == {"raw: private": Level.FAILURE, "raw: signed URLs": Level.FAILURE}
    strict.client.delete_bucket_policy(Bucket=bucket)


def test_wrong_keys_are_a_failure(strict):
    """Nothing else is looked at with them."""
    (refused,) = S3Objects(strict.address, Credentials("darkroom", "guessed")).check_health()
    assert refused.level is Level.FAILURE


@pytest.mark.parametrize("call", ["lifecycle", "access_block"])
def test_a_call_that_the_store_lacks_is_a_failure(strict, call):
    """Whatever the store answers to it, it is no exception."""
    lacking = S3Objects(replace(strict.address, **{call: True}), strict.credentials)
    assert Level.FAILURE in ill(lacking.check_health()).values()
