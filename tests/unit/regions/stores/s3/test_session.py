"""What an S3 URL may contain, and what it may not."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regions.errors import TopologyError
from regions.stores.objects import RAW, VARIANTS
from regions.stores.s3.session import Credentials, S3Service, parse_address


def test_aws_is_the_default():
    """A prefix and a region are enough, and every call that AWS has is used."""
    address = parse_address("s3://darkroom-eu?region=eu-west-1")
    assert address.service == S3Service(None, "eu-west-1", "virtual", "when_supported")
    assert address.conditional and address.lifecycle and address.access_block


def test_the_prefix_names_both_buckets():
    """One for originals, one for variants."""
    address = parse_address("s3://darkroom-eu?region=eu-west-1")
    assert (address.bucket(RAW), address.bucket(VARIANTS)) == ("darkroom-eu-raw", "darkroom-eu-variants")


def test_the_url_declares_how_another_store_differs():
    """Each difference is a setting of its own."""
    quirks = "style=path&checksums=when_required&conditional=0&lifecycle=0&access_block=0"
    address = parse_address(f"s3://p1?endpoint=http://127.0.0.1:9000/&region=here&{quirks}")
    assert address.service == S3Service("http://127.0.0.1:9000", "here", "path", "when_required")
    assert not (address.conditional or address.lifecycle or address.access_block)


@pytest.mark.parametrize(
    "url",
    [
        "s3://?region=a",
        "s3://Upper?region=a",
        "s3://a.b?region=a",
        f"s3://{'a' * 54}?region=a",
        "s3://pre/fix?region=a",
        "s3://key:secret@prefix?region=a",
        "s3://prefix",
        "s3://prefix?region=",
        "s3://prefix?region=a&style=either",
        "s3://prefix?region=a&conditional=yes",
        "s3://prefix?region=a&lifecycle=",
        "s3://prefix?region=a&life=0",
        "s3://prefix?region=a&endpoint=",
        "s3://[",
        "s3://prefix?region=a&endpoint=http://[",
        "s3://prefix?region=a&endpoint=ftp://host",
        "s3://prefix?region=a&endpoint=http://host:port",
        "s3://prefix?region=a&endpoint=http://key:secret@host",
        "s3://prefix?region=a&endpoint=http://host/path",
    ],
)
def test_an_invalid_url_is_rejected(url):
    """Also for an unknown setting: a misspelt one must not be ignored silently."""
    with pytest.raises(TopologyError):
        parse_address(url)


@given(
    st.from_regex(r"s3://[a-zA-Z0-9._\[@:/-]{0,9}(\?(region|endpoint|style|x)=[a-z:/\[@&=%]{0,9}){0,3}", fullmatch=True)
)
@settings(max_examples=60)
def test_any_url_is_parsed_or_rejected(url):
    """The names of both buckets are valid (AWS, "General purpose bucket naming rules")."""
    try:
        address = parse_address(url)
    except TopologyError:
        return
    assert all(re.fullmatch("[a-z0-9][a-z0-9-]{2,62}", address.bucket(name)) for name in (RAW, VARIANTS))


@pytest.mark.parametrize(
    "url",
    ["s3://key:hush@prefix?region=a", "s3://prefix?endpoint=http://key:hush@host", "s3://A?endpoint=http://key:hush@["],
)
def test_the_error_does_not_repeat_credentials(url):
    """It may end up in a log."""
    with pytest.raises(TopologyError) as raised:
        parse_address(url)
    assert "hush" not in str(raised.value)


def test_credentials_are_not_printed():
    """Neither alone nor within another object."""
    assert "hush" not in f"{[Credentials('key', 'hush')]}"
