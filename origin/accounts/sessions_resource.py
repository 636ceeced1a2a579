"""Signing in, refreshing, recovery, and a person's list of sessions."""

import re

import falcon

from origin import fields, repeats
from origin.accounts import account_views, passphrases, recovery_codes, refresh_tokens
from origin.accounts.gate import AccountGate
from origin.accounts.sign_ins import CONFIRMED_TTL_S, SignIns
from origin.accounts.sign_up import HANDLE, LABEL_CHARS
from origin.context import Context
from regions.account_records import PASSPHRASE, Credential
from regions.errors import BadRequest, SignInFailed

_ADDRESS = re.compile(f"({HANDLE})@([A-Za-z0-9_-]{{1,40}})")
_REFRESH_CHARS = 200
# Of nobody. It is read for a handle that nobody has, so that the answer takes as long.
_NOBODY = "u_00000000000"


class SessionsResource:
    def __init__(self, context: Context, gate: AccountGate, sign_ins: SignIns) -> None:
        self._context, self._gate, self._sign_ins = context, gate, sign_ins
        self._catalog, self._hasher = context.stores.catalog, context.passphrases

    def on_post(self, request: falcon.Request, response: falcon.Response) -> None:
        """Signs in. A wrong passphrase and an unknown handle get the same answer, after the same time."""
        self._gate.require_own_shield(request)
        body = fields.body(request)
        handle = self._handle(body)
        passphrase = passphrases.entered(body, "passphrase")
        label, regions = _label(body), self._regions(body)
        taken = self._context.limiter.take(request, response, account=handle)
        user_id = self._owner(handle)
        user, credential = self._catalog.users.get(user_id), self._passphrase(user_id)
        matches = self._hasher.matches(credential.verifier if credential else None, passphrase)
        if not matches or credential is None or user is None or user.deleted_at_ms is not None:
            raise SignInFailed
        self._context.limiter.give_back(taken)
        repeats.require_first(self._context, request, user_id)
        if self._hasher.is_outdated(credential.verifier):
            fresh = Credential(PASSPHRASE, PASSPHRASE, self._hasher.hash(passphrase), credential.created_at_ms)
            # If it has been changed in the meantime, that stays.
            self._context.accounts.replace_credentials(user_id, [credential], [fresh])
        response.status = falcon.HTTP_201
        response.media = account_views.signed_in(user, self._sign_ins.begin(user, credential, label, regions))

    def on_post_refresh(self, request: falcon.Request, response: falcon.Response) -> None:
        self._gate.require_own_shield(request)
        body = fields.body(request)
        text, key = fields.text(body, "refresh_token", _REFRESH_CHARS), repeats.key_of(request)
        token, regions = refresh_tokens.parse(text), self._regions(body)
        # By its family, which is secret: nobody else can use up what a session has left.
        self._context.limiter.take(request, response, session=token.family)
        response.media = account_views.tokens(self._sign_ins.refresh(token, key, regions))

    def on_post_recovery(self, request: falcon.Request, response: falcon.Response) -> None:
        """A recovery code sets a new passphrase, once; all sessions end, and a new one begins."""
        self._gate.require_own_shield(request)
        body = fields.body(request)
        handle = self._handle(body)
        code = fields.text(body, "recovery_code", recovery_codes.MAX_CHARS)
        passphrase = passphrases.chosen(body, "new_passphrase")
        label, regions = _label(body), self._regions(body)
        taken = self._context.limiter.take(request, response, account=handle)
        user_id = self._owner(handle)
        user, credentials = self._catalog.users.get(user_id), self._catalog.credentials.of_user(user_id)
        used = recovery_codes.find(code, credentials)
        if used is None or user is None or user.deleted_at_ms is not None:
            raise SignInFailed
        before = passphrases.among(credentials)
        new = passphrases.credential(self._hasher.hash(passphrase), self._context.clock_ms(), before)
        if not self._context.accounts.replace_credentials(user_id, [used, *([before] if before else [])], [new]):
            raise SignInFailed
        self._context.limiter.give_back(taken)
        self._context.revoked.add(self._context.region.name, self._context.ends.end_all(user_id))
        response.status = falcon.HTTP_201
        response.media = account_views.signed_in(user, self._sign_ins.begin(user, new, label, regions))

    def on_post_confirmation(self, request: falcon.Request, response: falcon.Response, user_id: str) -> None:
        """For the passphrase, given anew, a token with which the account may be changed."""
        user, session, _ = self._gate.require_owner(request, user_id)
        passphrase = passphrases.entered(fields.body(request), "passphrase")
        taken = self._context.limiter.take(request, response, user=user_id)
        credential = self._passphrase(user_id)
        if not self._hasher.matches(credential.verifier if credential else None, passphrase):
            raise SignInFailed
        self._context.limiter.give_back(taken)
        repeats.require_first(self._context, request, user_id)
        confirmed = self._sign_ins.confirmed(user, session.session_id)
        response.media = {"token": confirmed, "expires_in_s": CONFIRMED_TTL_S}

    def on_get_list(self, request: falcon.Request, response: falcon.Response, user_id: str) -> None:
        current = self._gate.require_owner(request, user_id).session
        items = [account_views.session(one, current.session_id) for one in self._sign_ins.alive(user_id)]
        response.media = {"items": items, "next": None}

    def on_delete_list(self, request: falcon.Request, response: falcon.Response, user_id: str) -> None:
        """All but the one that asks."""
        current = self._gate.require_owner(request, user_id).session
        ended = self._context.ends.end_all(user_id, current.session_id)
        self._context.revoked.add(self._context.region.name, ended)
        response.status = falcon.HTTP_204

    def on_delete_one(self, request: falcon.Request, response: falcon.Response, user_id: str, session_id: str) -> None:
        """Idempotent. Signing out is ending the session that asks."""
        self._gate.require_owner(request, user_id)
        if self._context.ends.end(user_id, session_id):
            self._context.revoked.add(self._context.region.name, [session_id])
        response.status = falcon.HTTP_204

    def _handle(self, body: fields.Document) -> str:
        """Without its region, which is this one. Raises Misdirected, BadRequest."""
        found = _ADDRESS.fullmatch(fields.text(body, "handle", 80))
        if found is None:
            raise BadRequest("handle must be written with its region, such as ana@eu-west")
        self._gate.require_home(found[2])
        return found[1]

    def _owner(self, handle: str) -> str:
        """Who has the handle; an id of nobody if nobody has it."""
        return self._catalog.handles.owner(handle) or _NOBODY

    def _passphrase(self, user_id: str) -> Credential | None:
        return passphrases.among(self._catalog.credentials.of_user(user_id))

    def _regions(self, body: fields.Document) -> list[str]:
        names = fields.texts(body, "regions", 64, 40) if "regions" in body else []
        return self._gate.regions(names)


def _label(body: fields.Document) -> str:
    return fields.optional_text(body, "label", LABEL_CHARS) or ""
