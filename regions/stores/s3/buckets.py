"""The two buckets of a region: made, private, open to browsers with signed URLs, swept of what nobody finished.

Any number of processes may do this at once, and again.
"""

from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError, WaiterError

from regions.errors import TopologyError, Unavailable
from regions.stores.objects import RAW, VARIANTS
from regions.stores.s3.session import Credentials, S3Address, code, connect, reaching, status

_ABORT_DAYS = 7
_ABORT_RULE = {
    "ID": "darkroom-abort-unfinished",
    "Status": "Enabled",
    "Filter": {"Prefix": ""},
    "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": _ABORT_DAYS},
}
# A signed URL is the permission; a page of any origin may hold one, and must see the ETag of the part it sent.
_CORS_RULE = {
    "ID": "darkroom-signed-urls",
    "AllowedOrigins": ["*"],
    "AllowedMethods": ["GET", "HEAD", "PUT"],
    "AllowedHeaders": ["*"],
    "ExposeHeaders": ["ETag", "Content-Range", "Accept-Ranges"],
    "MaxAgeSeconds": 3600,
}
_ALL_BLOCKED = {
    "BlockPublicAcls": True,
    "IgnorePublicAcls": True,
    "BlockPublicPolicy": True,
    "RestrictPublicBuckets": True,
}
_EXISTS = {"BucketAlreadyOwnedByYou", "BucketAlreadyExists", "OperationAborted"}
_NO_POLICY = {"NoSuchBucketPolicy", "NotImplemented", "MethodNotAllowed"}


def prepare_buckets(address: S3Address, credentials: Credentials) -> None:
    """Idempotent. Raises Unavailable; and TopologyError where a bucket is another's, may keep old versions or is open
    to the public, and where the store lacks a call which the URL does not say it lacks."""
    s3 = connect(address.service, credentials)
    for bucket in (address.bucket(RAW), address.bucket(VARIANTS)):
        try:
            with reaching():
                _prepare(s3, bucket, address)
        except ClientError as error:
            if code(error) != "NotImplemented":
                raise
            raise TopologyError(f"the store has no {error.operation_name}: say so in its URL") from error


def _prepare(s3: Any, bucket: str, address: S3Address) -> None:
    _create(s3, bucket, address.service.region)
    require_no_versions(s3, bucket)
    _allow_browsers(s3, bucket)
    if address.lifecycle:
        _sweep_unfinished(s3, bucket)
    if address.access_block:
        s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=_ALL_BLOCKED)
    else:
        # Not read again where it was just blocked: AWS may tell the old state for a moment.
        require_private(s3, address, bucket)


def _create(s3: Any, bucket: str, region: str) -> None:
    # `us-east-1` is the one region that must not be named (AWS, "CreateBucket").
    where = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    try:
        s3.create_bucket(Bucket=bucket, **where)
    except ClientError as error:
        if code(error) not in _EXISTS:
            raise
    try:
        # Another process may be at it: where the bucket is there, this asks once.
        s3.get_waiter("bucket_exists").wait(Bucket=bucket, WaiterConfig={"Delay": 1, "MaxAttempts": 20})
    except WaiterError as error:
        if error.last_response.get("ResponseMetadata", {}).get("HTTPStatusCode") != 403:
            raise Unavailable(f"the bucket {bucket} can't be made for the moment") from error
        raise TopologyError(f"the bucket {bucket} is not ours: choose another prefix, or other keys") from error


def require_no_versions(s3: Any, bucket: str) -> None:
    """A delete must delete: an old version would be bytes that lie where the policy may forbid them."""
    # Suspended versioning too has kept what was there before.
    if "Status" in s3.get_bucket_versioning(Bucket=bucket):
        raise TopologyError(f"the bucket {bucket} may keep old versions: use one that never had versioning")


def missing_rules(s3: Any, bucket: str, address: S3Address) -> list[str]:
    """Those of our rules that the bucket has not, by their ids."""
    rules = _cors_rules(s3, bucket) + (_lifecycle_rules(s3, bucket) if address.lifecycle else [])
    wanted = [_CORS_RULE["ID"], *([_ABORT_RULE["ID"]] if address.lifecycle else [])]
    return [str(rule) for rule in wanted if rule not in [one.get("ID") for one in rules]]


def _allow_browsers(s3: Any, bucket: str) -> None:
    rules = _with(_cors_rules(s3, bucket), _CORS_RULE)
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": rules})


def _sweep_unfinished(s3: Any, bucket: str) -> None:
    rules = _with(_lifecycle_rules(s3, bucket), _ABORT_RULE)
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": rules})


def _cors_rules(s3: Any, bucket: str) -> list[Any]:
    return _current(lambda: s3.get_bucket_cors(Bucket=bucket)["CORSRules"], "NoSuchCORSConfiguration")


def _lifecycle_rules(s3: Any, bucket: str) -> list[Any]:
    return _current(
        lambda: s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"], "NoSuchLifecycleConfiguration"
    )


def require_private(s3: Any, address: S3Address, bucket: str) -> None:
    """Raises TopologyError. A store that can't forbid all publicity at once is asked for its policy, and tried for its
    ACL."""
    if address.access_block:
        blocked = _current(
            lambda: s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"].items(),
            "NoSuchPublicAccessBlockConfiguration",
        )
        if dict(blocked) != _ALL_BLOCKED:
            raise TopologyError(f"public access to the bucket {bucket} is not blocked")
        return
    try:
        public = s3.get_bucket_policy_status(Bucket=bucket)["PolicyStatus"]["IsPublic"]
    except ClientError as error:
        if code(error) not in _NO_POLICY:
            raise
        public = False
    if public or _answers(connect(address.service, None), bucket):
        raise TopologyError(f"anybody may read the bucket {bucket}: take its policy and its ACL away")


def _answers(anonymous: Any, bucket: str) -> bool:
    try:
        anonymous.list_objects_v2(Bucket=bucket, MaxKeys=1)
    except ClientError as error:
        if status(error) not in (401, 403):
            raise
        return False
    return True


def _current(read: Callable[[], Any], missing: str) -> list[Any]:
    try:
        return list(read())
    except ClientError as error:
        if code(error) != missing:
            raise
        return []


def _with(rules: list[Any], ours: dict[str, Any]) -> list[Any]:
    """What an operator has added stays: a store knows all rules of a bucket as one."""
    return [*(rule for rule in rules if rule.get("ID") != ours["ID"]), ours]
