"""Tokens of nodes: JSON Web Tokens (RFC 7519), signed with the Ed25519 key of the node that issues them (RFC 8037).

A node's token proves which server sends a request; users' tokens are in `user_tokens`. Every check fails with the same
error, so that an attacker learns nothing from it.
"""

from collections.abc import Callable

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from regions.errors import Unauthenticated

PublicKeys = Callable[[str], str | None]

NODE_HEADER = "Darkroom-Node"
"""The request header with a node's token. Only servers send it, to each other."""

_ALGORITHM = "EdDSA"
_NODE = "darkroom:node"
_NODE_TTL_S = 60
_CLOCK_SKEW_S = 30
_MAX_CHARS = 2048


def make_key() -> tuple[str, str]:
    """A new Ed25519 key pair as PEM text: (private, public)."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public.decode()


def public_half(private_key_pem: str) -> str:
    """The public key of a private one, both PEM text."""
    key = serialization.load_pem_private_key(private_key_pem.encode(), password=None)
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


def issue_node(name: str, private_key_pem: str, now_s: int) -> str:
    """Proves that a request comes from the region or edge `name`. Valid for a minute."""
    return _issue(name, name, _NODE, private_key_pem, now_s, _NODE_TTL_S)


def node_name(token: str, public_key: PublicKeys) -> str:
    """The region or edge whose token this is. Raises Unauthenticated."""
    kid, subject = _check(token, _NODE, public_key)
    if subject != kid:
        raise _invalid()
    return subject


def _issue(subject: str, kid: str, audience: str, private_key_pem: str, now_s: int, ttl_s: int) -> str:
    claims = {"sub": subject, "aud": audience, "iat": now_s, "exp": now_s + ttl_s}
    return jwt.encode(claims, private_key_pem, algorithm=_ALGORITHM, headers={"kid": kid})


def _check(token: str, audience: str, public_key: PublicKeys) -> tuple[str, str]:
    try:
        if len(token) > _MAX_CHARS or not token.isascii():
            raise _invalid()
        kid = str(jwt.get_unverified_header(token).get("kid"))
        key = public_key(kid)
        if key is None:
            raise _invalid()
        claims = jwt.decode(
            token,
            key,
            algorithms=[_ALGORITHM],
            audience=audience,
            leeway=_CLOCK_SKEW_S,
            options={"require": ["sub", "aud", "iat", "exp"]},
        )
    except jwt.InvalidTokenError as error:
        raise _invalid() from error
    return kid, str(claims["sub"])


def _invalid() -> Unauthenticated:
    return Unauthenticated("the token is missing, not ours, or has run out")
