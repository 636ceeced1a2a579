"""What somebody sends to sign up, and to change their account."""

from typing import Any

from regions.records import rfc3339

PASSPHRASE = "four words of a test"
NEW_PASSPHRASE = "another four words of a test"
HOUR_MS = 3600 * 1000


def sign_up_body(**changes: Any) -> dict[str, Any]:
    return {"handle": "ana", "passphrase": PASSPHRASE, "name": "Ana", "country": "PT", **changes}


def change(api: Any, user: Any, method: str, what: str, body: Any = None, **query: Any) -> Any:
    path = f"/v1/users/{user.id}/{what}".rstrip("/")
    return api.request(method, path, body or {}, user, **query)


def recover(api: Any, user: Any, code: str, passphrase: str = NEW_PASSPHRASE) -> Any:
    body = {"handle": user.handle, "recovery_code": code, "new_passphrase": passphrase}
    return api.request("POST", "/v1/sessions/recovery", body)


def script_body(api: Any, scope: Any = ("read",), **changes: Any) -> dict[str, Any]:
    """For an hour."""
    ends_at = rfc3339(api.clock.now_ms() + HOUR_MS)
    return {"scope": list(scope), "ends_at": ends_at, "label": "Backup", **changes}
