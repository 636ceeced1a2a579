"""The S3 store for `regions.config`."""

from functools import partial

from regions.stores.objects import Objects
from regions.stores.s3 import stamped_buckets
from regions.stores.s3.objects import S3Objects
from regions.stores.s3.session import Credentials, parse_address
from regions.stores.stamp import StoreLocation

_LEGACY_REGION = "us-east-1"


def objects(url: str, access_key: str, secret_key: str) -> StoreLocation[Objects]:
    """`s3://PREFIX?region=REGION…`, described at `parse_address`. Raises TopologyError."""
    address, credentials = parse_address(url), Credentials(access_key, secret_key)
    return StoreLocation(
        partial(S3Objects, address, credentials),
        partial(stamped_buckets.read_stamp, address, credentials),
        partial(stamped_buckets.create, address, credentials),
    )


def public_url(url: str) -> str:
    """Where signed URLs lead: their host is this one, or a bucket's name before it. Raises TopologyError."""
    service = parse_address(url).service
    if service.endpoint:
        return service.endpoint
    # As botocore signs: the region of the oldest buckets has the name without a region.
    return (
        "https://s3.amazonaws.com" if service.region == _LEGACY_REGION else f"https://s3.{service.region}.amazonaws.com"
    )
