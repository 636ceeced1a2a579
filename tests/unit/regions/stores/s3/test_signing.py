"""Our signatures in URLs are those that botocore makes, which AWS wrote."""

from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlsplit

from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotocoreCredentials
from hypothesis import given
from hypothesis import strategies as st

from regions.stores.s3 import signing
from regions.stores.s3.session import Credentials, connect, parse_address

keys = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40)
values = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40)
headers = st.dictionaries(
    st.sampled_from(["Content-Type", "Cache-Control", "If-None-Match", "x-amz-checksum-sha256", "Content-Length"]),
    values,
)
urls = st.sampled_from(
    [
        "http://127.0.0.1:7070/prefix-raw/ab/p_00000000001", "https://prefix-raw.s3.eu-west-1.amazonaws.com/ab/p_0",
        "https://s3.example:443/x-variants/ab/p_0/150.jpg", "http://s3.example:80/x-raw/a", "https://h:80/x/a-b.c_d",
    ]
)  # fmt: skip


@given(st.sampled_from(["GET", "HEAD", "PUT"]), urls, headers, keys, keys, st.integers(1, 604_800))
def test_they_are_the_same(method, url, sent, access_key, secret_key, valid_s):
    request = AWSRequest(method, url, headers=sent)
    auth = S3SigV4QueryAuth(BotocoreCredentials(access_key, secret_key), "s3", "eu-west-1", expires=valid_s)
    auth.add_auth(request)
    theirs = query(request.url)
    at = datetime.strptime(theirs["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    ours = signing.signed_url(method, url, sent, (access_key, secret_key), "eu-west-1", at, valid_s)
    assert query(ours) == theirs
    assert ours.partition("?")[0] == url


def query(url: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(url).query))


def test_the_url_of_an_object_is_boto3s():
    """Whatever the style, the region and the endpoint."""
    for text in (
        "s3://prefix?region=eu-west-1", "s3://prefix?region=us-east-1", "s3://prefix?region=us-east-1&style=path",
        "s3://prefix?region=eu-west-1&style=path", "s3://prefix?region=r&endpoint=http://127.0.0.1:7070&style=path",
        "s3://prefix?region=r&endpoint=https://s3.example",
    ):  # fmt: skip
        address = parse_address(text)
        client = connect(address.service, Credentials("access", "secret"))
        bucket, key = address.bucket("raw"), "ab/p_00000000001"
        theirs = client.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": key})
        assert address.object_url(bucket, key) == theirs.partition("?")[0]
