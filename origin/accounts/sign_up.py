"""Signing up, and where somebody's home is. Sign-up determines the home region for good."""

import falcon

from origin import fields
from origin.accounts import account_views, passphrases, recovery_codes
from origin.accounts.gate import AccountGate
from origin.accounts.sign_ins import SignIns
from origin.context import Context
from origin.residency_guard import require_allowed
from regions import ids
from regions.errors import BadRequest, Conflict, Unavailable
from regions.records import User
from regions.residency.countries import ASSIGNED
from regions.residency.decide import Subject
from regions.residency.policy import Action, Policy

HANDLE = "[a-z0-9_]{2,30}"
LABEL_CHARS = 80


class SignUpResource:
    def __init__(self, context: Context, gate: AccountGate, sign_ins: SignIns) -> None:
        self._context, self._gate, self._sign_ins = context, gate, sign_ins
        self._catalog = context.stores.catalog

    def on_post(self, request: falcon.Request, response: falcon.Response) -> None:
        """The handle is claimed last, when all else of the account is there.

        So a crash leaves no handle without an account, and nothing to be taken over. What it leaves is a record that
        nobody can reach; the client signs up again. If only the answer is lost, the account is whole, and the handle
        and the passphrase sign in.
        """
        self._gate.require_own_shield(request)
        body = fields.body(request)
        name, country = fields.text(body, "name", 80), _country(body.get("country"))
        handle = fields.text(body, "handle", 30, HANDLE)
        passphrase = passphrases.chosen(body, "passphrase")
        label = fields.optional_text(body, "label", LABEL_CHARS) or ""
        user = self._new_user(handle, name, country)
        self._context.limiter.take(request, response)
        if self._catalog.handles.owner(handle) is not None:
            raise _taken(handle)
        codes = recovery_codes.new(recovery_codes.HOW_MANY, self._context.random)
        secret = passphrases.credential(self._context.passphrases.hash(passphrase), user.created_at_ms, None)
        self._context.accounts.add(user)
        credentials = [secret, *recovery_codes.credentials(codes, user.created_at_ms)]
        self._context.accounts.replace_credentials(user.user_id, [], credentials)
        if not self._catalog.handles.claim(handle, user.user_id):
            self._context.ends.close_account(user.user_id)
            raise _taken(handle)
        session = self._sign_ins.begin(user, secret, label, [user.home_region])
        response.status = falcon.HTTP_201
        response.media = account_views.signed_in(user, session) | {"recovery_codes": codes}

    def on_get_homes(self, request: falcon.Request, response: falcon.Response) -> None:
        """The region that is home to people of a `country`, or the one called `region`; else all of them."""
        country, region = request.get_param("country"), request.get_param("region")
        if country is not None:
            response.media = self._home(self._policy().home_region(_country(country)))
        elif region is not None:
            if region not in self._context.topology.regions:
                raise BadRequest(f"there is no region {region[:40]}")
            response.media = self._home(region)
        else:
            response.media = {"items": [self._home(name) for name in self._context.topology.regions], "next": None}

    def _home(self, region: str) -> dict[str, object]:
        """`url` is where the accounts of this region are: its own shield. `number` is the one in its ids."""
        topology = self._context.topology
        return {"region": region, "number": topology.regions[region].number, "url": topology.shield_of(region).url}

    def _new_user(self, handle: str, name: str, country: str) -> User:
        """A new user, if the policy makes this region their home. Raises Misdirected, ResidencyDenied, Unavailable."""
        rules = self._context.rules.current()
        policy = self._policy()
        home_region, residency_class = policy.home_region(country), policy.class_of(country).name
        self._gate.require_home(home_region)
        for action in (Action.REST_ACCOUNT, Action.REST_METADATA):
            require_allowed(rules.decide(Subject(residency_class, home_region), action, home_region))
        user_id, now_ms = self._context.new_id(ids.USER), self._context.clock_ms()
        return User(user_id, name, country, residency_class, home_region, now_ms, handle)

    def _policy(self) -> Policy:
        """Fails closed: without a policy nobody can sign up. Raises Unavailable."""
        policy = self._context.rules.current().home_policy()
        if policy is None:
            raise Unavailable("no residency policy is in force here, so nobody can sign up")
        return policy


def _country(value: object) -> str:
    if not isinstance(value, str) or value not in ASSIGNED:
        raise BadRequest(f"country must be a code of ISO 3166-1, such as PT, not {str(value)[:10]!r}")
    return value


def _taken(handle: str) -> Conflict:
    return Conflict(f"the handle {handle} is taken; choose another, or sign in if it is yours")
