"""Node tokens: one server proves to another who it is, for one request.

A token is a JSON Web Token (RFC 7519), signed with an Ed25519 key of the sender (RFC 8037). It names the sender, the
receiver, the method, the target (path and query), the SHA-256 of the body, and the Idempotency-Key, so it is worth
nothing at another receiver or for another request. It is good for a minute at most, and for clocks that differ by at
most 30 s. The same request can be sent again within that time: a read is answered again, and what makes something
makes it once (docs/threat-model.md).

A token may be meant to be shown by somebody else than its issuer: an edge's request to a shield carries a second one,
for the grant that the shield must ask of its origin. `presenter` names who alone may show it.

Every check fails with the same error, so that an attacker learns nothing from it. Pure: time is an argument.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from regions import keys
from regions.errors import Unauthenticated

HEADER = "Darkroom-Node"
"""The request header with a server's token. Only servers send it, to each other."""

GRANT_HEADER = "Darkroom-Node-Grant"
"""The request header with the token of another edge, which the shield shows for it."""

CLIENT_HEADER = "Darkroom-Client"
"""The request header in which an edge names its client's address. It counts only beside the edge's own token, which
does not cover it."""

MAX_CHARS = 2048
_ALGORITHM = "EdDSA"
_TTL_S = 60
_CLOCK_SKEW_S = 30

PublicKeys = Callable[[str], Mapping[str, str]]
"""A node's public keys by id."""


@dataclass(frozen=True, slots=True)
class Call:
    """What a token is for. `receiver` and `presenter` are names of nodes; `target` is path and query; `key` is the
    request's Idempotency-Key."""

    receiver: str
    method: str
    target: str
    body: bytes = b""
    presenter: str = ""
    key: str = ""


class NodeSigner:
    """Issues the tokens of the node `name`.

    `private` are its keys by id, `listed` those of the statement (`keys.oldest_listed`).
    """

    def __init__(
        self,
        name: str,
        private: Mapping[str, Ed25519PrivateKey],
        listed: Callable[[], Mapping[str, str]],
        clock_s: Callable[[], int],
    ) -> None:
        self.name, self._private, self._listed, self._clock_s = name, private, listed, clock_s

    def token(self, call: Call) -> str:
        return issue(self.name, *keys.oldest_listed(self._private, self._listed()), call, self._clock_s())


def issue(name: str, key_id: str, private_key: Ed25519PrivateKey, call: Call, now_s: int) -> str:
    claims = {"iss": name, "iat": now_s, "exp": now_s + _TTL_S} | _claims(call)
    return jwt.encode(claims, private_key, algorithm=_ALGORITHM, headers={"kid": key_id})


def sender(token: str, call: Call, public_keys: PublicKeys, now_s: int) -> str:
    """The node that asks for `call`. Raises Unauthenticated."""
    try:
        if len(token) > MAX_CHARS or not token.isascii():
            raise _invalid()
        key_id = str(jwt.get_unverified_header(token).get("kid"))
        name = str(jwt.decode(token, options={"verify_signature": False}).get("iss"))
        public = public_keys(name).get(key_id)
        if public is None:
            raise _invalid()
        # Who receives it and when are checked below, by our clock.
        options: Any = {"require": ["iss", "iat", "exp"], "verify_aud": False, "verify_exp": False, "verify_iat": False}
        claims = jwt.decode(token, keys.public_key(public), algorithms=[_ALGORITHM], options=options)
    except (jwt.InvalidTokenError, ValueError) as error:
        raise _invalid() from error
    if not _is_timely(claims, now_s) or any(claims.get(name) != value for name, value in _claims(call).items()):
        raise _invalid()
    return name


def _claims(call: Call) -> dict[str, str]:
    """Method and target as in DPoP (RFC 9449), but hashed, so that a token is short whatever the request is."""
    return {
        "aud": call.receiver,
        "htm": call.method,
        "htu": _hash(call.target.encode()),
        "body": _hash(call.body),
        "presenter": call.presenter,
        "key": _hash(call.key.encode()),
    }


def _hash(data: bytes) -> str:
    return keys.to_base64(hashlib.sha256(data).digest())


def _is_timely(claims: Mapping[str, Any], now_s: int) -> bool:
    issued_s, expires_s = claims["iat"], claims["exp"]
    if not all(isinstance(at_s, int) and not isinstance(at_s, bool) for at_s in (issued_s, expires_s)):
        return False
    return bool(abs(now_s - issued_s) <= _CLOCK_SKEW_S and now_s < expires_s <= issued_s + _TTL_S)


def _invalid() -> Unauthenticated:
    return Unauthenticated("the token of the server that sends this is not valid for this request now")
