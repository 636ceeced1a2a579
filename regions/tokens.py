"""Users' bearer tokens: JSON Web Tokens (RFC 7519), signed with an Ed25519 key of the user's home region (RFC 8037).

`kid` names the region and its key: `eu-west/k1`. Every region can check a token with the public keys of the statement,
and no region can forge a token of another. Every check fails with the same error, so that an attacker learns nothing
from it.
"""

from collections.abc import Callable, Mapping

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from regions import ids, keys
from regions.errors import NotFound, Unauthenticated

PublicKeys = Callable[[str], Mapping[str, str]]
"""A region's public keys for users' tokens, by id."""

_ALGORITHM = "EdDSA"
_USER = "darkroom:user"
_USER_TTL_S = 365 * 24 * 3600
_CLOCK_SKEW_S = 30
_MAX_CHARS = 2048


def issue_user(user_id: str, region: str, key_id: str, private_key: Ed25519PrivateKey, now_s: int) -> str:
    claims = {"sub": user_id, "aud": _USER, "iat": now_s, "exp": now_s + _USER_TTL_S}
    return jwt.encode(claims, private_key, algorithm=_ALGORITHM, headers={"kid": f"{region}/{key_id}"})


def user_id(token: str, public_keys: PublicKeys, region_of: Callable[[int], str | None]) -> str:
    """The user whose token this is. `region_of` returns a region's name for its number. Raises Unauthenticated.

    A region can issue tokens for its own users only: the user's id must contain the region that signed the token.
    """
    region, subject = _check(token, public_keys)
    try:
        home = region_of(ids.parse(ids.USER, subject).region)
    except NotFound as error:
        raise _invalid() from error
    if home != region:
        raise _invalid()
    return subject


def _check(token: str, public_keys: PublicKeys) -> tuple[str, str]:
    try:
        if len(token) > _MAX_CHARS or not token.isascii():
            raise _invalid()
        region, _, key_id = str(jwt.get_unverified_header(token).get("kid")).partition("/")
        key = public_keys(region).get(key_id)
        if key is None:
            raise _invalid()
        claims = jwt.decode(
            token,
            keys.public_key(key),
            algorithms=[_ALGORITHM],
            audience=_USER,
            leeway=_CLOCK_SKEW_S,
            options={"require": ["sub", "aud", "iat", "exp"]},
        )
    except jwt.InvalidTokenError as error:
        raise _invalid() from error
    return region, str(claims["sub"])


def _invalid() -> Unauthenticated:
    return Unauthenticated("the token is missing, not ours, or has run out; sign up again for a new one")
