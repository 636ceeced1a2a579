"""The health check of an S3 store: on moto, which has every call, and on versitygw, which checks signatures."""

import json
from dataclasses import replace

import pytest

from regions.stores.health import CheckResult, Level
from regions.stores.objects import RAW, VARIANTS
from regions.stores.s3.objects import S3Objects
from regions.stores.s3.session import Credentials
from tests.builders.stores import REGION_OF_STORES


def problems(results: list[CheckResult]) -> dict[str, Level]:
    """The checks that did not pass. Fails if one of them has no advice."""
    found = [result for result in results if result.level is not Level.OK]
    assert all(result.advice for result in found)
    return {result.what: result.level for result in found}


def test_missing_buckets_are_a_failure(moto):
    """`darkroom prepare` creates them."""
    (missing,) = moto.objects.check_health()
    assert (missing.level, moto.address.bucket(RAW) in missing.detail) == (Level.FAILURE, True)
    assert "darkroom prepare" in missing.advice
    moto.prepare()
    assert moto.objects.check_health()[0].level is Level.OK


def test_prepared_buckets_have_their_rules_and_are_private(moto):
    """The health check leaves no object and no unfinished upload behind."""
    moto.prepare()
    assert problems(moto.objects.check_health()) == {}
    assert moto.unfinished() == []
    assert list(moto.objects.list(RAW)) == list(moto.objects.list(VARIANTS)) == []


def test_missing_rules_are_a_warning(moto):
    """The detail names both."""
    moto.prepare()
    moto.client.delete_bucket_cors(Bucket=moto.address.bucket(RAW))
    moto.client.delete_bucket_lifecycle(Bucket=moto.address.bucket(RAW))
    results = moto.objects.check_health()
    assert problems(results)["raw: CORS and lifecycle"] is Level.WARNING
    (detail,) = [result.detail for result in results if result.what == "raw: CORS and lifecycle"]
    assert "signed-urls" in detail and "abort-unfinished" in detail


def test_a_bucket_that_does_not_block_public_access_is_a_failure(moto):
    """Even if it is not public now."""
    moto.prepare()
    moto.client.delete_public_access_block(Bucket=moto.address.bucket(VARIANTS))
    assert problems(moto.objects.check_health())["variants: private"] is Level.FAILURE


def test_a_bucket_with_versions_is_a_failure(moto):
    """It would keep deleted objects."""
    moto.prepare()
    versioning = {"Status": "Enabled"}
    moto.client.put_bucket_versioning(Bucket=moto.address.bucket(RAW), VersioningConfiguration=versioning)
    assert problems(moto.objects.check_health())["raw: old versions"] is Level.FAILURE


def test_a_prepared_strict_store_is_healthy(strict):
    """It rejects requests without a valid signature."""
    assert problems(strict.objects.check_health()) == {}


def test_a_public_bucket_fails_two_checks(strict):
    """Its policy is public, and a request without a signature gets the object."""
    bucket = strict.address.bucket(RAW)
    allow = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    strict.client.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [allow]}))
    assert problems(strict.objects.check_health()) == {"raw: private": Level.FAILURE, "raw: signed URLs": Level.FAILURE}
    strict.client.delete_bucket_policy(Bucket=bucket)


def test_wrong_keys_are_a_failure(strict):
    """It is the only result: the other checks are not run."""
    (failure,) = S3Objects(strict.address, Credentials("darkroom", "guessed"), REGION_OF_STORES).check_health()
    assert failure.level is Level.FAILURE


@pytest.mark.parametrize("call", ["lifecycle", "access_block"])
def test_a_call_that_the_store_lacks_is_a_failure(strict, call):
    """Whatever the store responds to it, no exception is raised."""
    lacking = S3Objects(replace(strict.address, **{call: True}), strict.credentials, REGION_OF_STORES)
    assert Level.FAILURE in problems(lacking.check_health()).values()
