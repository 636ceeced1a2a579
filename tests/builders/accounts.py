"""What somebody sends to sign up."""

from typing import Any

PASSPHRASE = "four words of a test"


def sign_up_body(**changes: Any) -> dict[str, Any]:
    return {"handle": "ana", "passphrase": PASSPHRASE, "name": "Ana", "country": "PT", **changes}
