"""The health check of a region's two buckets: reachable, clock, versions, private, CORS and lifecycle, test objects."""

import time
from dataclasses import replace
from typing import Any

from botocore.exceptions import ClientError

from regions.errors import Unavailable
from regions.stores import objects_health
from regions.stores.health import CheckResult, HealthCheck, Level, Probe, http_clock, run_checks
from regions.stores.objects import RAW, VARIANTS, Objects
from regions.stores.s3 import buckets
from regions.stores.s3.session import Credentials, S3Address, code, connect, errors_as_unavailable, status

_REACH = "Check the endpoint in the topology's URL and the keys in REGION.s3; for a new store run `darkroom prepare`."
_RULES = "Run `darkroom prepare`, which sets them, with keys that may do so."
_VERSIONS = "Move to buckets that never had versioning (another prefix in the topology's URL): deletes must delete."
_PRIVATE = "Remove the bucket's policy and ACL, and run `darkroom prepare`, which blocks public access."


def check_health(address: S3Address, credentials: Credentials, objects: Objects) -> list[CheckResult]:
    s3 = connect(address.service, credentials)
    checks = [
        HealthCheck("reachable", lambda: _reach(s3, address), _REACH),
        HealthCheck("clock", lambda: _clock(s3, address), _REACH),
        *(check for name in (RAW, VARIANTS) for check in _bucket_checks(s3, address, name)),
        *(check for name in (RAW, VARIANTS) for check in objects_health.checks(objects, name)),
    ]
    return run_checks([replace(check, probe=_reporting_rejections(check.probe)) for check in checks])


def _bucket_checks(s3: Any, address: S3Address, name: str) -> list[HealthCheck]:
    bucket = address.bucket(name)
    return [
        HealthCheck(f"{name}: old versions", lambda: _no_versions(s3, bucket), _VERSIONS),
        HealthCheck(f"{name}: private", lambda: _private(s3, address, bucket), _PRIVATE),
        HealthCheck(f"{name}: CORS and lifecycle", lambda: _bucket_rules(s3, address, name), _RULES),
    ]


def _reach(s3: Any, address: S3Address) -> str:
    for name in (RAW, VARIANTS):
        try:
            s3.head_bucket(Bucket=address.bucket(name))
        except ClientError as error:
            if status(error) != 404:
                raise
            raise Unavailable(f"there is no bucket {address.bucket(name)}") from error
    return f"S3, {address.bucket(RAW)} and {address.bucket(VARIANTS)}"


def _clock(s3: Any, address: S3Address) -> CheckResult:
    sent_s = time.time()
    headers = s3.head_bucket(Bucket=address.bucket(RAW))["ResponseMetadata"]["HTTPHeaders"]
    return http_clock(headers.get("date", ""), sent_s, time.time())


def _no_versions(s3: Any, bucket: str) -> str:
    buckets.require_no_versions(s3, bucket)
    return "none are kept"


def _private(s3: Any, address: S3Address, bucket: str) -> str:
    buckets.require_private(s3, address, bucket)
    return "yes"


def _bucket_rules(s3: Any, address: S3Address, name: str) -> str | CheckResult:
    missing = buckets.missing_rules(s3, address.bucket(name), address)
    if missing:
        return CheckResult(f"{name}: CORS and lifecycle", Level.WARNING, f"missing: {', '.join(missing)}", _RULES)
    return "set"


def _reporting_rejections(probe: Probe) -> Probe:
    """Elsewhere, an unexpected error code of the store is a bug of ours. In a health check it is a result."""

    def reporting() -> str | CheckResult | list[CheckResult]:
        try:
            with errors_as_unavailable():
                return probe()
        except ClientError as error:
            raise Unavailable(f"the store rejects {error.operation_name}: {code(error)}") from error

    return reporting
