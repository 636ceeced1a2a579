"""The JSON documents about accounts and sessions, made from records. Pure."""

from dataclasses import dataclass
from typing import Any

from regions import user_tokens
from regions.account_records import RECOVERY_CODE, Credential, UserSession
from regions.records import User, rfc3339


@dataclass(frozen=True, slots=True)
class SignedIn:
    """What a client gets. `tokens` are access tokens by region."""

    session_id: str
    refresh_token: str
    tokens: dict[str, str]


def address(user: User) -> str:
    """The handle as it is written: `ana@eu-west`."""
    return f"{user.handle}@{user.home_region}"


def signed_in(user: User, session: SignedIn) -> dict[str, Any]:
    return {
        "id": user.user_id,
        "handle": address(user),
        "home_region": user.home_region,
        **tokens(session),
    }


def tokens(session: SignedIn) -> dict[str, Any]:
    return {
        "session": session.session_id,
        "refresh_token": session.refresh_token,
        "tokens": session.tokens,
        "expires_in_s": user_tokens.TTL_S,
    }


def session(record: UserSession, current_id: str) -> dict[str, Any]:
    return {
        "id": record.session_id,
        "label": record.label,
        "is_current": record.session_id == current_id,
        "is_script": record.is_script,
        "scope": list(record.scopes),
        "regions": list(record.regions),
        "created_at": rfc3339(record.created_at_ms),
        "used_at": rfc3339(record.used_at_ms),
        "ends_at": rfc3339(record.ends_at_ms) if record.ends_at_ms is not None else None,
    }


def account(user: User, credentials: list[Credential]) -> dict[str, Any]:
    """All that the home keeps of the person themself, for the export."""
    return {
        "id": user.user_id,
        "handle": address(user),
        "name": user.name,
        "country": user.country,
        "residency_class": user.residency_class,
        "home_region": user.home_region,
        "created_at": rfc3339(user.created_at_ms),
        "recovery_codes_left": sum(one.kind == RECOVERY_CODE for one in credentials),
    }
