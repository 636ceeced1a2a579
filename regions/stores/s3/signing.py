"""Signatures in URLs: Signature Version 4 in the query (AWS, "Authenticating Requests: Using Query Parameters").

boto3 makes the same ones (a test compares them), in five to ten times the processor time, because it goes through its
hooks and the rules of endpoints for each. A lane needs three of them for each object. Pure.
"""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from urllib.parse import quote

_ALGORITHM = "AWS4-HMAC-SHA256"
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


def signed_url(
    method: str,
    url: str,
    headers: Mapping[str, str],
    keys: tuple[str, str],
    region: str,
    at: datetime,
    valid_s: int,
) -> str:
    """`url`, which has no query and needs no escapes, with a signature that is good from `at` (in UTC) on.

    `keys` are the access key and the secret key. The request must have all of `headers` as they are, and may have
    others that do not begin with `x-amz-`.
    """
    access_key, secret_key = keys
    time = at.strftime("%Y%m%dT%H%M%SZ")
    scope = f"{time[:8]}/{region}/s3/aws4_request"
    scheme, _, rest = url.partition("://")
    host, _, path = rest.partition("/")
    signed = {name.lower(): " ".join(value.split()) for name, value in headers.items()}
    signed["host"] = host.removesuffix(_DEFAULT_PORTS[scheme])
    names = sorted(signed)
    # In the order of their names, as they are signed.
    query = "&".join(
        (
            f"X-Amz-Algorithm={_ALGORITHM}",
            f"X-Amz-Credential={_quoted(f'{access_key}/{scope}')}",
            f"X-Amz-Date={time}",
            f"X-Amz-Expires={valid_s}",
            f"X-Amz-SignedHeaders={'%3B'.join(names)}",
        )
    )
    fields = "".join(f"{name}:{signed[name]}\n" for name in names)
    canonical = f"{method}\n/{path}\n{query}\n{fields}\n{';'.join(names)}\nUNSIGNED-PAYLOAD"
    to_sign = f"{_ALGORITHM}\n{time}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    signature = _hmac(_signing_key(secret_key, time[:8], region), to_sign).hex()
    return f"{url}?{query}&X-Amz-Signature={signature}"


@lru_cache(maxsize=8)
def _quoted(credential: str) -> str:
    return quote(credential, safe="")


@lru_cache(maxsize=8)
def _signing_key(secret_key: str, day: str, region: str) -> bytes:
    key = f"AWS4{secret_key}".encode()
    for text in (day, region, "s3", "aws4_request"):
        key = _hmac(key, text)
    return key


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")
