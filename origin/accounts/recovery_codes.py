"""Recovery codes: ten for each account, shown once, each good for one new passphrase. Pure: randomness is an argument.

A code has 80 random bits, so its SHA-256 is enough to keep. It is written `ABCD-EFGH-IJKL-MNOP`; dashes, spaces and
case do not count, and digits that look like letters are taken for those.
"""

import base64
import hashlib
import re
from collections.abc import Callable, Sequence

from regions.account_records import RECOVERY_CODE, Credential

HOW_MANY = 10
MAX_CHARS = 40
_BYTES = 10
_LOOKALIKES = str.maketrans("018", "OIB")


def new(how_many: int, random: Callable[[int], bytes]) -> list[str]:
    texts = [base64.b32encode(random(_BYTES)).decode() for _ in range(how_many)]
    return ["-".join(re.findall(".{4}", text)) for text in texts]


def credentials(codes: Sequence[str], now_ms: int) -> list[Credential]:
    """What the catalog keeps of them."""
    digests = [_digest(code) for code in codes]
    return [Credential(f"recovery-{digest[:20]}", RECOVERY_CODE, digest, now_ms) for digest in digests]


def find(code: str, among: Sequence[Credential]) -> Credential | None:
    """The credential of this code, if it was not used yet."""
    digest = _digest(code)
    return next((one for one in among if one.kind == RECOVERY_CODE and one.verifier == digest), None)


def _digest(code: str) -> str:
    letters = re.sub(r"[\s-]", "", code).upper().translate(_LOOKALIKES)
    return hashlib.sha256(letters.encode()).hexdigest()
