"""Sets up the two buckets of a region: private, open to browsers that hold signed URLs, and with a lifecycle rule
that removes unfinished uploads.

Any number of processes may do this at the same time, and repeat it.
"""

from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError, WaiterError

from regions.errors import TopologyError, Unavailable
from regions.stores.objects import RAW, VARIANTS
from regions.stores.s3.session import Credentials, S3Address, code, connect, errors_as_unavailable, status

_ABORT_DAYS = 7
_ABORT_RULE = {
    "ID": "darkroom-abort-unfinished",
    "Status": "Enabled",
    "Filter": {"Prefix": ""},
    "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": _ABORT_DAYS},
}
# The signed URL is the permission, so pages of any origin may use one. They must read the ETag of a part they sent.
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
    """Idempotent. Raises Unavailable. Raises TopologyError if a bucket belongs to someone else, may keep old versions
    or is public, and if the store lacks a call that its URL does not declare missing."""
    s3 = connect(address.service, credentials)
    for bucket in (address.bucket(RAW), address.bucket(VARIANTS)):
        try:
            with errors_as_unavailable():
                _prepare(s3, bucket, address)
        except ClientError as error:
            if code(error) != "NotImplemented":
                raise
            raise TopologyError(
                f"the store does not support {error.operation_name}: declare that in its URL"
            ) from error


def _prepare(s3: Any, bucket: str, address: S3Address) -> None:
    _create(s3, bucket, address.service.region)
    require_no_versions(s3, bucket)
    cors = _with_our_rule(_cors_rules(s3, bucket), _CORS_RULE)
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": cors})
    if address.lifecycle:
        lifecycle = _with_our_rule(_lifecycle_rules(s3, bucket), _ABORT_RULE)
        s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": lifecycle})
    if address.access_block:
        s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=_ALL_BLOCKED)
    else:
        # Not after blocking it: AWS may report the old state for a moment.
        require_private(s3, address, bucket)


def _create(s3: Any, bucket: str, region: str) -> None:
    # `us-east-1` is the one region that must not be named (AWS, "CreateBucket").
    location = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    try:
        s3.create_bucket(Bucket=bucket, **location)
    except ClientError as error:
        if code(error) not in _EXISTS:
            raise
    try:
        # Another process may be creating it. If the bucket exists, this sends one request.
        s3.get_waiter("bucket_exists").wait(Bucket=bucket, WaiterConfig={"Delay": 1, "MaxAttempts": 20})
    except WaiterError as error:
        if error.last_response.get("ResponseMetadata", {}).get("HTTPStatusCode") != 403:
            raise Unavailable(f"the bucket {bucket} can't be created at the moment") from error
        raise TopologyError(f"the bucket {bucket} is not ours: choose another prefix, or other keys") from error


def require_no_versions(s3: Any, bucket: str) -> None:
    """A delete must delete. An old version would be bytes in a region where the policy may forbid them."""
    # Suspended versioning counts too: it keeps the versions from before.
    if "Status" in s3.get_bucket_versioning(Bucket=bucket):
        raise TopologyError(f"the bucket {bucket} may keep old versions: use one that never had versioning")


def missing_rules(s3: Any, bucket: str, address: S3Address) -> list[str]:
    """The ids of our rules that the bucket lacks."""
    rules = _cors_rules(s3, bucket) + (_lifecycle_rules(s3, bucket) if address.lifecycle else [])
    wanted = [_CORS_RULE["ID"], *([_ABORT_RULE["ID"]] if address.lifecycle else [])]
    return [str(rule) for rule in wanted if rule not in [one.get("ID") for one in rules]]


def _cors_rules(s3: Any, bucket: str) -> list[Any]:
    return _rules_or_empty(lambda: s3.get_bucket_cors(Bucket=bucket)["CORSRules"], "NoSuchCORSConfiguration")


def _lifecycle_rules(s3: Any, bucket: str) -> list[Any]:
    return _rules_or_empty(
        lambda: s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"], "NoSuchLifecycleConfiguration"
    )


def require_private(s3: Any, address: S3Address, bucket: str) -> None:
    """Raises TopologyError if the public may read the bucket.

    A store that cannot block all public access gets two checks: its bucket policy is read, and an anonymous request
    shows whether an ACL lets anyone in.
    """
    if address.access_block:
        blocked = _rules_or_empty(
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
    if public or _is_public(connect(address.service, None), bucket):
        raise TopologyError(f"anybody may read the bucket {bucket}: remove its policy and its ACL")


def _is_public(anonymous: Any, bucket: str) -> bool:
    try:
        anonymous.list_objects_v2(Bucket=bucket, MaxKeys=1)
    except ClientError as error:
        if status(error) not in (401, 403):
            raise
        return False
    return True


def _rules_or_empty(read: Callable[[], Any], missing: str) -> list[Any]:
    try:
        return list(read())
    except ClientError as error:
        if code(error) != missing:
            raise
        return []


def _with_our_rule(rules: list[Any], ours: dict[str, Any]) -> list[Any]:
    """Our rule among the others. A store replaces all rules of a bucket at once, so those that an operator has added
    are written back."""
    return [*(rule for rule in rules if rule.get("ID") != ours["ID"]), ours]
