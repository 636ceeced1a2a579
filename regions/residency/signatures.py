"""Signed statements: `{"statement": TEXT, "signatures": {KEY_ID: SIGNATURE}}`.

The statement is a text within the text, so that what was signed is compared byte by byte. The keys are Ed25519 (RFC
8032). A signature is over a prefix and the text, so that it can't be one that was given for anything else.

Pure: signing takes the private key as an argument.
"""

import json
from collections.abc import Mapping

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from regions import keys
from regions.errors import StatementError
from regions.residency.statement import Signers, Statement
from regions.residency.statement_document import HASH, MAX_SERIAL, matching, parse, whole, without_duplicates

MAX_CHARS = 400_000
"""Of a signed statement. A value of the settings holds 510 KiB."""

_SIGNED = b"darkroom statement 1\n"
_MAX_SIGNATURE = 100


def sign(text: str, key_id: str, private_key: Ed25519PrivateKey, signatures: Mapping[str, str] | None = None) -> str:
    """The signed text, with this signature added to those it has."""
    signature = keys.to_base64(private_key.sign(_SIGNED + text.encode()))
    return json.dumps({"statement": text, "signatures": {**(signatures or {}), key_id: signature}}, ensure_ascii=False)


def unpack(signed: str) -> tuple[str, dict[str, str]]:
    """The text and the signatures by key id; nothing is verified. Raises StatementError."""
    if len(signed) > MAX_CHARS:
        raise StatementError(f"it has more than {MAX_CHARS} characters")
    try:
        document = json.loads(signed, object_pairs_hook=without_duplicates)
        text, signatures = document["statement"], document["signatures"]
        text.encode()
        if set(document) != {"statement", "signatures"} or not all(
            isinstance(one, str) and len(one) <= _MAX_SIGNATURE for one in signatures.values()
        ):
            raise ValueError
        return text, dict(signatures)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise StatementError("it is not a signed statement") from error


def verify(signed: str, signers: Signers) -> Statement:
    """The statement, if enough of the signers have signed it and it passes `check`. Raises StatementError."""
    text, signatures = unpack(signed)
    valid = {
        key for key_id, key in signers.keys.items() if key_id in signatures and _verifies(key, signatures[key_id], text)
    }
    if len(valid) < signers.threshold:
        raise StatementError(f"it has {len(valid)} valid signatures of the {signers.threshold} that it needs")
    return parse(text, signed)


def read_kept(signed: str) -> Statement:
    """A statement that was verified when it was stored on a disk of ours. Raises StatementError."""
    return parse(unpack(signed)[0], signed)


def previous_of(signed: str) -> tuple[int, str]:
    """The serial and the `previous` that a signed text claims, not verified. Raises StatementError."""
    try:
        document = json.loads(unpack(signed)[0])
        return whole(document["serial"], 1, MAX_SERIAL), matching(HASH, document["previous"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise StatementError("it is not a statement") from error


def _verifies(key: str, signature: str, text: str) -> bool:
    try:
        keys.public_key(key).verify(keys.from_base64(signature), _SIGNED + text.encode())
    except (InvalidSignature, ValueError):
        return False
    return True
