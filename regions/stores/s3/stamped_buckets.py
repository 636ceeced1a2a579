"""The stamp of a region's two buckets: three tags of each, which an operator sees in the store's console too."""

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from regions.errors import WrongStore
from regions.stores.objects import RAW, VARIANTS
from regions.stores.s3.buckets import prepare_buckets
from regions.stores.s3.session import Credentials, S3Address, code, connect, errors_as_unavailable
from regions.stores.stamp import Stamp, StoreRegion, require_region

_REGION, _NUMBER, _STORE = "darkroom-region", "darkroom-number", "darkroom-store"
_NO_BUCKET, _NO_TAGS = "NoSuchBucket", "NoSuchTagSet"


def read_stamp(address: S3Address, credentials: Credentials) -> Stamp | None:
    """None also if only one of the buckets has one. Raises Unavailable, WrongStore."""
    raw, variants = (_stamp_of(address, credentials, bucket) for bucket in (RAW, VARIANTS))
    if raw and variants and raw != variants:
        raise WrongStore(f"the two buckets belong to different stores, of {raw.region} and of {variants.region}")
    return raw if variants else None


def create(address: S3Address, credentials: Credentials, stamp: Stamp) -> Stamp:
    """Raises Unavailable, WrongStore, and TopologyError as `prepare_buckets` does."""
    s3 = connect(address.service, credentials)
    # The contents first: another process that creates the store sets its stamp before it has any.
    empty = {name: _is_empty(s3, address.bucket(name)) for name in (RAW, VARIANTS)}
    found = {name: _stamp_of(address, credentials, name) for name in (RAW, VARIANTS)}
    for name, stamped in found.items():
        if stamped is None and not empty[name]:
            raise WrongStore(f"the bucket {address.bucket(name)} has objects, but no stamp of a region")
        if stamped is not None:
            require_region(stamped, stamp.region)
    prepare_buckets(address, credentials)
    kept = found[RAW] or found[VARIANTS] or stamp
    for name, stamped in found.items():
        if stamped is None:
            _set_stamp(s3, address.bucket(name), kept)
    # Tags can't be set on a condition: another process may have set its own at the same moment.
    return require_region(read_stamp(address, credentials), stamp.region)


def _stamp_of(address: S3Address, credentials: Credentials, name: str) -> Stamp | None:
    tags = _tags(connect(address.service, credentials), address.bucket(name))
    if _STORE not in tags:
        return None
    if not tags.get(_NUMBER, "").isdecimal():
        raise WrongStore(f"the stamp of the bucket {address.bucket(name)} can't be read")
    return Stamp(StoreRegion(tags.get(_REGION, ""), int(tags[_NUMBER])), tags[_STORE])


def _set_stamp(s3: Any, bucket: str, stamp: Stamp) -> None:
    """A store replaces all tags of a bucket at once, so those that an operator has set are written back."""
    ours = {_REGION: stamp.region.name, _NUMBER: str(stamp.region.number), _STORE: stamp.store_id}
    tags = [{"Key": key, "Value": value} for key, value in ({**_tags(s3, bucket), **ours}).items()]
    with errors_as_unavailable():
        s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": tags})


def _tags(s3: Any, bucket: str) -> Mapping[str, str]:
    """Empty also if there is no bucket."""
    with errors_as_unavailable():
        try:
            return {tag["Key"]: tag["Value"] for tag in s3.get_bucket_tagging(Bucket=bucket)["TagSet"]}
        except ClientError as error:
            if code(error) not in (_NO_BUCKET, _NO_TAGS):
                raise
            return {}


def _is_empty(s3: Any, bucket: str) -> bool:
    with errors_as_unavailable():
        try:
            return not s3.list_objects_v2(Bucket=bucket, MaxKeys=1).get("Contents")
        except ClientError as error:
            if code(error) != _NO_BUCKET:
                raise
            return True
