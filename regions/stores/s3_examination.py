"""The examination of a region's two buckets: set up, without old versions, private, the clock, and bytes of its own."""

import time
from dataclasses import replace
from typing import Any

from botocore.exceptions import ClientError

from regions.errors import Unavailable
from regions.stores import objects_examination, s3_buckets
from regions.stores.finding import Check, Finding, Level, Look, examined, http_clock
from regions.stores.objects import RAW, VARIANTS, Objects
from regions.stores.s3_session import Address, Credentials, code, connect, reaching, status

_REACH = "Check the endpoint in the topology's URL and the keys in REGION.s3; for a new store run `darkroom prepare`."
_RULES = "Run `darkroom prepare`, which sets them, with keys that may."
_VERSIONS = "Move to buckets that never had versioning (another prefix in the topology's URL): deletes must delete."
_PRIVATE = "Take the bucket's policy and ACL away, and run `darkroom prepare`, which blocks public access."


def examine(address: Address, credentials: Credentials, objects: Objects) -> list[Finding]:
    s3 = connect(address.service, credentials)
    checks = [
        Check("reachable", lambda: _reach(s3, address), _REACH),
        Check("clock", lambda: _clock(s3, address), _REACH),
        *(check for name in (RAW, VARIANTS) for check in _of_bucket(s3, address, name)),
        *(check for name in (RAW, VARIANTS) for check in objects_examination.checks(objects, name)),
    ]
    return examined([replace(check, look=_told(check.look)) for check in checks])


def _of_bucket(s3: Any, address: Address, name: str) -> list[Check]:
    bucket = address.bucket(name)
    return [
        Check(f"{name}: old versions", lambda: _no_versions(s3, bucket), _VERSIONS),
        Check(f"{name}: private", lambda: _private(s3, address, bucket), _PRIVATE),
        Check(f"{name}: rules", lambda: _rules(s3, address, name), _RULES),
    ]


def _reach(s3: Any, address: Address) -> str:
    for name in (RAW, VARIANTS):
        try:
            s3.head_bucket(Bucket=address.bucket(name))
        except ClientError as error:
            if status(error) != 404:
                raise
            raise Unavailable(f"there is no bucket {address.bucket(name)}") from error
    return f"S3, {address.bucket(RAW)} and {address.bucket(VARIANTS)}"


def _clock(s3: Any, address: Address) -> Finding:
    sent_s = time.time()
    headers = s3.head_bucket(Bucket=address.bucket(RAW))["ResponseMetadata"]["HTTPHeaders"]
    return http_clock(headers.get("date", ""), sent_s, time.time())


def _no_versions(s3: Any, bucket: str) -> str:
    s3_buckets.require_no_versions(s3, bucket)
    return "none are kept"


def _private(s3: Any, address: Address, bucket: str) -> str:
    s3_buckets.require_private(s3, address, bucket)
    return "yes"


def _rules(s3: Any, address: Address, name: str) -> str | Finding:
    missing = s3_buckets.missing_rules(s3, address.bucket(name), address)
    return Finding(f"{name}: rules", Level.WARNING, f"missing: {', '.join(missing)}", _RULES) if missing else "set"


def _told(look: Look) -> Look:
    """Here a refusal of the store too is what was to be found out."""

    def telling() -> str | Finding | list[Finding]:
        try:
            with reaching():
                return look()
        except ClientError as error:
            raise Unavailable(f"the store refuses {error.operation_name}: {code(error)}") from error

    return telling
