"""The S3 store for `regions.config`."""

from collections.abc import Callable
from functools import partial

from regions.stores.objects import Objects
from regions.stores.s3 import stamped_buckets
from regions.stores.s3.objects import S3Objects
from regions.stores.s3.session import Credentials, parse_address
from regions.stores.stamp import StoreLocation


def objects(url: str, access_key: str, secret_key: str) -> StoreLocation[Objects]:
    """`s3://PREFIX?region=REGION…`, described at `parse_address`. Raises TopologyError."""
    address, credentials = parse_address(url), Credentials(access_key, secret_key)
    return StoreLocation(
        partial(S3Objects, address, credentials),
        partial(stamped_buckets.read_stamp, address, credentials),
        partial(stamped_buckets.create, address, credentials),
    )


def object_address(url: str) -> Callable[[str, str], str]:
    """Of a bucket of ours and a key, the object's URL, without a signature. Raises TopologyError."""
    address = parse_address(url)
    return lambda bucket, key: address.object_url(address.bucket(bucket), key)
