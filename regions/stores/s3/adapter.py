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


def object_address(url: str, bucket: str, key: str) -> str:
    """The object's URL, as botocore signs it, without the signature. Raises TopologyError."""
    address = parse_address(url)
    service, name = address.service, address.bucket(bucket)
    # The region of the oldest buckets has the host without a region.
    host = "s3.amazonaws.com" if service.region == _LEGACY_REGION else f"s3.{service.region}.amazonaws.com"
    scheme, _, host = (service.endpoint or f"https://{host}").partition("://")
    return f"{scheme}://{host}/{name}/{key}" if service.style == "path" else f"{scheme}://{name}.{host}/{key}"
