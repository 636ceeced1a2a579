"""Opens the S3 store for `regions.config`."""

from regions.stores.objects import Objects
from regions.stores.s3.objects import S3Objects
from regions.stores.s3.session import Credentials, parse_address


def open_objects(url: str, access_key: str, secret_key: str) -> Objects:
    """`s3://PREFIX?region=REGION…`, described at `parse_address`. Raises TopologyError."""
    return S3Objects(parse_address(url), Credentials(access_key, secret_key))
