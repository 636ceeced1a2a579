"""What a person may do with their own account, after they gave their passphrase anew: see `Scope.ACCOUNT`."""

from datetime import datetime
from typing import Any

import falcon

from origin import fields, repeats, views
from origin.accounts import account_views, passphrases, recovery_codes
from origin.accounts.gate import AccountGate
from origin.accounts.sign_ins import SignIns
from origin.accounts.sign_up import LABEL_CHARS
from origin.context import Context
from regions import ids
from regions.account_records import RECOVERY_CODE, SCRIPT_SCOPES, Scope
from regions.errors import BadRequest, Conflict
from regions.records import User

_MAX_SCRIPT_MS = 366 * 24 * 3600 * 1000
_SECTIONS = ("account", "sessions", "photos", "likes", "comments", "following")


class AccountResource:
    def __init__(self, context: Context, gate: AccountGate, sign_ins: SignIns) -> None:
        self._context, self._gate, self._sign_ins = context, gate, sign_ins
        self._catalog = context.stores.catalog

    def on_post_script_tokens(self, request: falcon.Request, response: falcon.Response, user_id: str) -> None:
        owner = self._gate.require_owner(request, user_id)
        body = fields.body(request)
        scopes, ends_at_ms = _scopes(body), self._ends_at_ms(body)
        label = fields.text(body, "label", LABEL_CHARS)
        self._context.limiter.take(request, response, user=user_id)
        repeats.require_first(self._context, request, user_id)
        session = self._sign_ins.begin_script(owner.user, owner.session, label, scopes, ends_at_ms)
        response.status = falcon.HTTP_201
        response.media = {"session": session.session_id, "refresh_token": session.refresh_token}

    def on_post_recovery_codes(self, request: falcon.Request, response: falcon.Response, user_id: str) -> None:
        """New codes; the old ones are worth nothing any more."""
        owner = self._gate.require_owner(request, user_id)
        self._context.limiter.take(request, response, user=user_id)
        codes = recovery_codes.new(recovery_codes.HOW_MANY, self._context.random)
        # The passphrase takes its own place: if it is changed meanwhile, who knew the old one gets no codes.
        same = [one for one in owner.credentials if one.kind != RECOVERY_CODE]
        new = recovery_codes.credentials(codes, self._context.clock_ms())
        repeats.require_first(self._context, request, user_id)
        if not self._context.accounts.replace_credentials(user_id, owner.credentials, [*same, *new]):
            raise _changed_meanwhile()
        response.status = falcon.HTTP_201
        response.media = {"recovery_codes": codes}

    def on_put_passphrase(self, request: falcon.Request, response: falcon.Response, user_id: str) -> None:
        """All other sessions end."""
        owner = self._gate.require_owner(request, user_id)
        passphrase = passphrases.chosen(fields.body(request), "passphrase")
        self._context.limiter.take(request, response, user=user_id)
        before = passphrases.among(owner.credentials)
        new = passphrases.credential(self._context.passphrases.hash(passphrase), self._context.clock_ms(), before)
        if not self._context.accounts.replace_credentials(user_id, [before] if before else [], [new]):
            raise _changed_meanwhile()
        self._sign_ins.keep(owner.session, new)
        ended = self._context.ends.end_all(user_id, owner.session.session_id)
        self._context.revoked.add(self._context.region.name, ended)
        response.status = falcon.HTTP_204

    def on_put_name(self, request: falcon.Request, response: falcon.Response, user_id: str) -> None:
        self._gate.require_owner(request, user_id)
        name = fields.text(fields.body(request), "name", 80)
        self._context.limiter.take(request, response, user=user_id)
        if not self._context.accounts.rename(user_id, name):
            raise _changed_meanwhile()
        response.status = falcon.HTTP_204

    def on_get_export(self, request: falcon.Request, response: falcon.Response, user_id: str) -> None:
        """One page of one section of what this region has of the person."""
        user, session, _ = self._gate.require_owner(request, user_id)
        section = request.get_param("section", default="account")
        if section == "account":
            items: list[Any] = [account_views.account(user, self._catalog.credentials.of_user(user_id))]
            response.media = {"section": section, "items": items, "next": None}
        elif section == "sessions":
            items = [account_views.session(one, session.session_id) for one in self._sign_ins.alive(user_id)]
            response.media = {"section": section, "items": items, "next": None}
        elif section in _SECTIONS:
            response.media = {"section": section, **self._page(request, section, user)}
        else:
            raise BadRequest(f"section must be one of {', '.join(_SECTIONS)}")

    def _page(self, request: falcon.Request, section: str, user: User) -> dict[str, Any]:
        kinds = {"photos": ids.PHOTO, "likes": ids.PHOTO, "comments": ids.COMMENT, "following": ids.USER}
        before, limit = fields.page(request, kinds[section])
        if section == "likes":
            liked = self._catalog.likes.by_user(user.user_id, before, limit)
            return views.listing(liked, limit, liked)
        if section == "following":
            authors = self._catalog.follows.authors(user.user_id, before, limit)
            return views.listing(authors, limit, authors)
        if section == "comments":
            comments = self._catalog.comments.by_author(user.user_id, before, limit)
            items = [views.comment(one) | {"photo": one.photo_id} for one in comments]
            return views.listing(items, limit, [one.comment_id for one in comments])
        listed = [one.photo_id for one in self._catalog.photos.by_owner(user.user_id, before, limit)]
        photos = [photo for photo in map(self._catalog.photos.get, listed) if photo is not None]
        edge_url = self._context.edge_url(self._context.nodes.requester(request))
        return views.listing([views.own_photo(photo, edge_url) for photo in photos], limit, listed)

    def _ends_at_ms(self, body: fields.Document) -> int:
        text, now_ms = fields.text(body, "ends_at", 40), self._context.clock_ms()
        try:
            at = datetime.fromisoformat(text)
            ends_at_ms = int(at.timestamp() * 1000) if at.tzinfo else 0
        except (ValueError, OverflowError) as error:
            raise BadRequest("ends_at must be a time with its zone, such as 2027-01-31T12:00:00Z") from error
        if not now_ms < ends_at_ms <= now_ms + _MAX_SCRIPT_MS:
            raise BadRequest("ends_at must be a time in the future, at most a year from now")
        return ends_at_ms


def _scopes(body: fields.Document) -> set[Scope]:
    names = fields.texts(body, "scope", len(Scope), 20)
    allowed = {str(scope): scope for scope in SCRIPT_SCOPES}
    if not names or not set(names) <= allowed.keys():
        raise BadRequest(f"scope must be a list of {', '.join(sorted(allowed))}: a script can't have more")
    return {allowed[name] for name in names}


def _changed_meanwhile() -> Conflict:
    return Conflict("the account is being changed by another request; try again")
