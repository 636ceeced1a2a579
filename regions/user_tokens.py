"""Access tokens of users: JSON Web Tokens (RFC 7519), signed by the user's home region (EdDSA, RFC 8037).

A token names the one region that may accept it (`aud`), and lives for a quarter of an hour. So a region, and anybody
who holds its keys, receives nothing that is good anywhere else. The home issues one for each region that a client
meets.

The claims: `sub` the user, `iss` their home region, `aud`, `iat`, `exp`, `sid` the session, `scope` a list, `class` the
residency class. The header's `kid` is the home region's name, a slash and a key's id.

Every check fails with the same error, so that an attacker learns nothing from it. Pure.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from regions import ids, keys
from regions.account_records import Scope
from regions.errors import NotFound, Unauthenticated

TTL_S = 900
MAX_CHARS = 2048
_CLOCK_SKEW_S = 30
_ALGORITHM = "EdDSA"
# Explicit typing (RFC 8725 section 3.11, RFC 9068), so that no token of another kind is taken for one.
_TYPE = "at+jwt"
_SCOPES = {str(scope): scope for scope in Scope}


@dataclass(frozen=True, slots=True)
class AccessToken:
    """What a token says. `audience` is the region that may accept it."""

    user_id: str
    home_region: str
    audience: str
    session_id: str
    scopes: frozenset[Scope]
    residency_class: str


@dataclass(frozen=True, slots=True)
class Verifier:
    """Checks the tokens that the region `here` receives.

    `public_keys(region)` are a region's keys by id; `region_of(number)` is the name of the region with that number.
    """

    here: str
    public_keys: Callable[[str], Mapping[str, str]]
    region_of: Callable[[int], str | None]

    def verify(self, token: str, now_s: int) -> AccessToken:
        """Raises Unauthenticated unless the user's home has signed the token for this region, and it is good now."""
        try:
            found = self._signed(token)
            _require_time(found, now_s)
            return self._parsed(found)
        except (jwt.InvalidTokenError, NotFound, KeyError, TypeError, ValueError) as error:
            raise Unauthenticated("the token is missing, not for this region, or has run out; sign in again") from error

    def _signed(self, token: str) -> Mapping[str, Any]:
        if len(token) > MAX_CHARS or not token.isascii():
            raise ValueError("not a token")
        header = jwt.get_unverified_header(token)
        kid = header["kid"]
        if header.get("typ") != _TYPE:
            raise ValueError("a token of another kind")
        if not isinstance(kid, str):
            raise TypeError("not a key's id")
        region, _, key_id = kid.partition("/")
        public = self.public_keys(region)[key_id]
        # Times are checked by the caller's clock, below.
        options: Any = {"verify_exp": False, "verify_iat": False, "verify_nbf": False}
        key = keys.public_key(public)
        claims = jwt.decode(token, key, algorithms=[_ALGORITHM], audience=self.here, options=options)
        if region != claims["iss"] or claims["aud"] != self.here:
            raise ValueError("not the issuer's key, or for several regions")
        return claims

    def _parsed(self, claims: Mapping[str, Any]) -> AccessToken:
        """A region can issue tokens for its own users only: their ids contain it."""
        user_id, home = claims["sub"], claims["iss"]
        if self.region_of(ids.parse(ids.USER, user_id).region) != home:
            raise ValueError("another region's user")
        # A scope of a newer program is one that this program does not grant.
        scopes = frozenset(_SCOPES[name] for name in claims["scope"] if name in _SCOPES)
        return AccessToken(user_id, home, self.here, str(claims["sid"]), scopes, str(claims["class"]))


def issue(claims: AccessToken, key_id: str, private_key: Ed25519PrivateKey, now_s: int, ttl_s: int = TTL_S) -> str:
    """Signed with the key of the user's home that has this id."""
    payload = {
        "sub": claims.user_id,
        "iss": claims.home_region,
        "aud": claims.audience,
        "iat": now_s,
        "exp": now_s + min(ttl_s, TTL_S),
        "sid": claims.session_id,
        "scope": sorted(claims.scopes),
        "class": claims.residency_class,
    }
    headers = {"kid": f"{claims.home_region}/{key_id}", "typ": _TYPE}
    return jwt.encode(payload, private_key, algorithm=_ALGORITHM, headers=headers)


def audience_unverified(token: str) -> str:
    """The region for which a token claims to be; empty if it is none. Only good to choose where it is verified."""
    if len(token) > MAX_CHARS or not token.isascii():
        return ""
    try:
        audience = jwt.decode(token, options={"verify_signature": False, "verify_aud": False}).get("aud")
    except jwt.InvalidTokenError:
        return ""
    return audience if isinstance(audience, str) else ""


def _require_time(claims: Mapping[str, Any], now_s: int) -> None:
    issued_s, expires_s = claims["iat"], claims["exp"]
    if type(issued_s) is not int or type(expires_s) is not int:
        raise TypeError("times are whole seconds")
    if not (issued_s <= now_s + _CLOCK_SKEW_S and now_s < expires_s and 0 < expires_s - issued_s <= TTL_S):
        raise ValueError("not good now")
