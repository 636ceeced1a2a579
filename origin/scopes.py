"""What a user's token must allow, for each route. Pure.

A route that is not here, or has None, answers nobody who is asked for a token; a test compares the table with the
routes. None means that the route reads no user's token: it is public, for servers, or proves by other means who asks.
"""

from collections.abc import Collection, Mapping

from regions.account_records import Scope
from regions.errors import Forbidden

NEEDED: Mapping[tuple[str, str], Scope | None] = {
    ("GET", "/health"): None,
    ("GET", "/v1/homes"): None,
    # Accounts.
    ("POST", "/v1/users"): None,
    ("POST", "/v1/sessions"): None,
    ("POST", "/v1/sessions/refresh"): None,
    ("POST", "/v1/sessions/recovery"): None,
    ("GET", "/v1/users/{user_id}/sessions"): Scope.SESSIONS,
    ("DELETE", "/v1/users/{user_id}/sessions"): Scope.SESSIONS,
    ("DELETE", "/v1/users/{user_id}/sessions/{session_id}"): Scope.SESSIONS,
    ("POST", "/v1/users/{user_id}/confirmation"): Scope.SESSIONS,
    ("POST", "/v1/users/{user_id}/script-tokens"): Scope.ACCOUNT,
    ("POST", "/v1/users/{user_id}/recovery-codes"): Scope.ACCOUNT,
    ("PUT", "/v1/users/{user_id}/passphrase"): Scope.ACCOUNT,
    ("PUT", "/v1/users/{user_id}/name"): Scope.ACCOUNT,
    ("GET", "/v1/users/{user_id}/export"): Scope.ACCOUNT,
    ("DELETE", "/v1/users/{user_id}"): Scope.ACCOUNT,
    # People.
    ("GET", "/v1/users/{user_id}"): None,
    ("GET", "/v1/users/{user_id}/photos"): None,
    ("GET", "/v1/users/{user_id}/feed"): Scope.READ,
    ("GET", "/v1/users/{user_id}/following"): Scope.READ,
    ("PUT", "/v1/users/{user_id}/following/{author_id}"): Scope.SAY,
    ("DELETE", "/v1/users/{user_id}/following/{author_id}"): Scope.SAY,
    # Photos. Some can be read without a token too.
    ("POST", "/v1/uploads/init"): Scope.UPLOAD,
    ("GET", "/v1/uploads/{upload_id}"): Scope.UPLOAD,
    ("DELETE", "/v1/uploads/{upload_id}"): Scope.UPLOAD,
    ("POST", "/v1/uploads/{upload_id}/complete"): Scope.UPLOAD,
    ("GET", "/v1/photos/{photo_id}"): Scope.READ,
    ("DELETE", "/v1/photos/{photo_id}"): Scope.DELETE,
    ("PUT", "/v1/photos/{photo_id}/like"): Scope.SAY,
    ("DELETE", "/v1/photos/{photo_id}/like"): Scope.SAY,
    ("GET", "/v1/photos/{photo_id}/likes"): Scope.READ,
    ("GET", "/v1/photos/{photo_id}/comments"): Scope.READ,
    ("POST", "/v1/photos/{photo_id}/comments"): Scope.SAY,
    ("DELETE", "/v1/photos/{photo_id}/comments/{comment_id}"): Scope.SAY,
    # Servers.
    ("GET", "/v1/grants/{photo_id}/{name}"): None,
    ("POST", "/v1/tombstones"): None,
    ("POST", "/border/v1/details"): None,
    ("POST", "/border/v1/ended-sessions"): None,
    ("PUT", "/border/v1/offers"): None,
    ("PUT", "/border/v1/arrivals"): None,
    ("PUT", "/border/v1/deletions"): None,
    ("PUT", "/border/v1/records"): None,
    ("PUT", "/border/v1/followers/{author_id}"): None,
    ("GET", "/border/v1/statement"): None,
    ("GET", "/border/v1/statement/{hash}"): None,
}


def require(allowed: Collection[Scope], method: str, route: str) -> None:
    """Raises Forbidden unless a token that allows this may be used for the route."""
    needed = NEEDED.get((method, route))
    if needed is Scope.ACCOUNT and needed not in allowed:
        raise Forbidden("give your passphrase anew first: POST /v1/users/{me}/confirmation", needs="confirmation")
    if needed is None or needed not in allowed:
        raise Forbidden(f"the token does not allow this; it needs the scope {needed or 'of another route'}")
