"""Ed25519 keys (RFC 8032) as text: base64url of the 32 bytes without padding (RFC 8037); private ones as PEM. Pure."""

import base64
import binascii
from collections.abc import Iterable, Mapping

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey


def private_key(pem: str) -> Ed25519PrivateKey:
    """Raises ValueError for anything but an Ed25519 key without a password."""
    try:
        key = serialization.load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError) as error:
        raise ValueError("it is not a private key in PEM") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError("it is not an Ed25519 key")
    return key


def private_pem(key: Ed25519PrivateKey) -> str:
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return pem.decode()


def oldest_listed(private: Mapping[str, Ed25519PrivateKey], listed: Iterable[str]) -> tuple[str, Ed25519PrivateKey]:
    """Of these private keys by id, the one to sign with: the oldest that the statement lists, by its order.

    So a new key is used when the old one is taken out. Without a statement, as at a node's first start, the first.
    """
    key_id = next((key_id for key_id in listed if key_id in private), next(iter(private)))
    return key_id, private[key_id]


def public_text(key: Ed25519PublicKey) -> str:
    return to_base64(key.public_bytes_raw())


def public_key(text: str) -> Ed25519PublicKey:
    """Raises ValueError."""
    return Ed25519PublicKey.from_public_bytes(from_base64(text))


def to_base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def from_base64(text: str) -> bytes:
    """Accepts only the one spelling that `to_base64` gives. Raises ValueError."""
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError("it is not base64url") from error
    if to_base64(data) != text:
        raise ValueError("it is not base64url")
    return data
