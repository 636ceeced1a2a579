"""What operators do by hand: each act is signed by the person who does it, and kept in the settings of its region.

The text is `{"act": TEXT, "signature": SIGNATURE}`; the act is a text within the text, so that what was signed is
compared byte by byte. The keys are those that the statement lists for its operators, Ed25519 (RFC 8032). Who can write
to the settings can remove an act, but can neither change one, nor sign one as somebody else, nor copy one to another
region or time. Pure.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from regions import keys
from regions.residency.statement import Operator, Role
from regions.stores.settings import act_key

_SIGNED = b"darkroom act 1\n"
_MAX_CHARS = 4000
MAX_ABOUT_CHARS = 500


@dataclass(frozen=True, slots=True)
class Act:
    """`operator` did `command`, such as `known-bad set`, in `role`; `about` is what it was done to, or the options."""

    operator: str
    role: Role
    command: str
    about: str
    region: str
    at_ms: int


def signed_text(act: Act, private: Ed25519PrivateKey) -> str:
    text = _text(act)
    signature = keys.to_base64(private.sign(_SIGNED + text.encode()))
    return json.dumps({"act": text, "signature": signature}, ensure_ascii=False)


def key_of(act: Act) -> str:
    """Where its record is kept. No other act has this key, so that a copy elsewhere is no record of anything."""
    return act_key(act.at_ms, hashlib.sha256(_text(act).encode()).hexdigest()[:16])


def verified_at(key: str, text: str, region: str, operators: Mapping[str, Operator]) -> Act:
    """The act whose record is kept at `key` in a region. Raises ValueError, as `verified`, if it belongs elsewhere."""
    act = verified(text, operators)
    if act.region != region:
        raise ValueError(f"{act.operator} did it in {act.region}")
    if key_of(act) != key:
        raise ValueError(f"it is a copy of what {act.operator} did once")
    return act


def verified(text: str, operators: Mapping[str, Operator]) -> Act:
    """Raises ValueError unless one of these operators has signed it, in a role that is theirs."""
    act, signed, signature = _parsed(text)
    operator = operators.get(act.operator)
    if operator is None or act.role not in operator.roles:
        raise ValueError(f"{act.operator} is no {act.role}")
    try:
        keys.public_key(operator.key).verify(keys.from_base64(signature), _SIGNED + signed.encode())
    except InvalidSignature:
        raise ValueError(f"{act.operator} has not signed it") from None
    return act


def role_of(operator: Operator, *allowed: Role) -> Role | None:
    """The first of the allowed roles that is one of the operator's."""
    return next((role for role in allowed if role in operator.roles), None)


def _text(act: Act) -> str:
    return json.dumps(asdict(act) | {"about": act.about[:MAX_ABOUT_CHARS]}, ensure_ascii=False, sort_keys=True)


def _parsed(text: str) -> tuple[Act, str, str]:
    try:
        if len(text) > _MAX_CHARS:
            raise ValueError("it is too long")
        document = json.loads(text)
        signed, signature = document["act"], document["signature"]
        fields = json.loads(signed)
        at_ms = fields.pop("at_ms")
        if type(at_ms) is not int or not all(isinstance(one, str) for one in (signature, *fields.values())):
            raise TypeError("a field of another type")
        return Act(**{**fields, "role": Role(fields["role"])}, at_ms=at_ms), signed, signature
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError("it is not the record of an act") from error
