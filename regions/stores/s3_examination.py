"""The examination of a region's two buckets: set up, without old versions, private, the clock, and bytes of its own."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from typing import Any

from botocore.exceptions import ClientError

from regions.errors import Unavailable
from regions.stores import objects_examination, s3_buckets
from regions.stores.finding import Check, Finding, Level, clock, examined
from regions.stores.objects import RAW, VARIANTS, Objects
from regions.stores.s3_session import Address, Credentials, code, connect, reaching

_HTTP_DATE_S = 1.0
_REACH = "Check the endpoint in the topology's URL and the keys in REGION.s3; for a new store run `darkroom prepare`."
_RULES = "Run `darkroom prepare`, which sets them, with keys that may."
_VERSIONS = "Move to buckets that never had versioning (another prefix in the topology's URL): deletes must delete."
_PRIVATE = "Take the bucket's policy and ACL away, and run `darkroom prepare`, which blocks public access."


def examine(address: Address, credentials: Credentials, objects: Objects) -> list[Finding]:
    s3 = connect(address.service, credentials)
    checks = [Check("reachable", lambda: _reach(s3, address), _REACH), Check("clock", lambda: _clock(s3, address), _REACH)]
    for name in (RAW, VARIANTS):
        checks += _of_bucket(s3, address, credentials, name)
        checks += objects_examination.checks(objects, name)
    return examined(checks)


def _of_bucket(s3: Any, address: Address, credentials: Credentials, name: str) -> list[Check]:
    bucket = address.bucket(name)

    def has_no_versions() -> str:
        s3_buckets.require_no_versions(s3, bucket)
        return "none are kept"

    def is_private() -> str:
        s3_buckets.require_private(s3, address, bucket)
        return "yes"

    def has_rules() -> str | Finding:
        missing = s3_buckets.missing_rules(s3, bucket, address)
        return Finding(f"{name}: rules", Level.WARNING, f"missing: {', '.join(missing)}", _RULES) if missing else "set"

    return [
        Check(f"{name}: old versions", _told(has_no_versions), _VERSIONS),
        Check(f"{name}: private", _told(is_private), _PRIVATE),
        Check(f"{name}: rules", _told(has_rules), _RULES),
    ]


def _reach(s3: Any, address: Address) -> str:
    with _telling():
        for name in (RAW, VARIANTS):
            s3.head_bucket(Bucket=address.bucket(name))
    return f"S3, {address.bucket(RAW)} and {address.bucket(VARIANTS)}"


def _clock(s3: Any, address: Address) -> Finding:
    sent_s = time.time()
    with _telling():
        headers = s3.head_bucket(Bucket=address.bucket(RAW))["ResponseMetadata"]["HTTPHeaders"]
    try:
        return clock(parsedate_to_datetime(headers.get("date", "")).timestamp(), _HTTP_DATE_S, sent_s, time.time())
    except ValueError:
        return Finding("clock", Level.WARNING, "it does not tell the time", "Let no proxy take the field Date away.")


def _told(look: Callable[[], str | Finding]) -> Callable[[], str | Finding]:
    def telling() -> str | Finding:
        with _telling():
            return look()

    return telling


@contextmanager
def _telling() -> Iterator[None]:
    """Here the store's refusals too are what was to be found out."""
    try:
        with reaching():
            yield
    except ClientError as error:
        raise Unavailable(f"the store refuses {error.operation_name}: {code(error)}") from error
