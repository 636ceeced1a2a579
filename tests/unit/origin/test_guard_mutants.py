"""The guards are held by the matrix: each of these mistakes, planted by hand, makes a row of it fail."""

import inspect
from collections.abc import Callable
from functools import partial
from types import ModuleType

import pytest

from origin import context, node_gate, residency_guard, scopes
from origin.accounts import gate
from origin.border import grants
from regions import node_tokens, user_tokens
from regions.residency import rules
from tests.builders.mutants import plant
from tests.unit.origin import test_identity_matrix as matrix
from tests.unit.origin import test_scopes, test_tokens
from tests.unit.origin.accounts import test_sessions

things, send = matrix.things, matrix.send

Finder = Callable[[pytest.FixtureRequest], Callable[[], object]]


def finds(test: Callable[..., object], **given: object) -> Finder:
    """A test of the matrix with these values, and with its fixtures for the rest, ready to be run."""

    def prepare(request: pytest.FixtureRequest) -> Callable[[], object]:
        wanted = [name for name in inspect.signature(test).parameters if name not in given]
        return partial(test, **given, **{name: request.getfixturevalue(name) for name in wanted})

    return prepare


def row(route: str, node: str) -> Finder:
    return finds(matrix.test_who_asks_is_answered_as_the_row_says, route=route, number=matrix.NODES.index(node))


invalid = partial(finds, matrix.test_an_identity_that_is_not_valid_is_refused_on_every_route)
PHOTO, GRANT, TOMBSTONES = "GET /v1/photos/{photo_id}", "GET /v1/grants/{photo_id}/{name}", "POST /v1/tombstones"


def shown(state: Callable[..., None], node: str) -> Finder:
    number = matrix.NODES.index(node)
    return finds(matrix.test_what_is_shown_where_in_each_state_of_the_statement, state=state, number=number)


def granted(state: Callable[..., None], node: str) -> Finder:
    number = matrix.NODES.index(node)
    return finds(
        matrix.test_who_gets_the_url_of_an_image_in_each_state_of_the_statement, state=state, number=number
    )  # fmt: skip


MUTANTS: dict[str, tuple[ModuleType, str, str, Finder]] = {
    "a token is good at every receiver": (
        node_tokens, '        "aud": call.receiver,\n', '        "aud": "",\n', invalid(route=PHOTO),
    ),
    "a token is good for every method": (
        node_tokens, '        "htm": call.method,\n', '        "htm": "",\n', invalid(route=PHOTO),
    ),
    "a token is good for every path": (node_tokens, "_hash(call.target.encode())", '""', invalid(route=PHOTO)),
    "a token is good for every body": (node_tokens, "_hash(call.body)", '""', invalid(route=TOMBSTONES)),
    "anybody may show a token": (
        node_tokens, '        "presenter": call.presenter,\n', '        "presenter": "",\n', invalid(route=PHOTO),
    ),
    "a token is good for as long as it says": (
        node_tokens, " <= issued_s + _TTL_S)", ")", invalid(route=PHOTO),
    ),
    "a clock that is ahead is believed": (
        node_tokens, "abs(now_s - issued_s) <=", "now_s - issued_s <=", invalid(route=PHOTO),
    ),
    "an old token is believed": (
        node_tokens, "abs(now_s - issued_s) <=", "issued_s - now_s <=", invalid(route=PHOTO),
    ),
    "an unknown key is any key of the node": (
        node_tokens, "public_keys(name).get(key_id)", "next(iter(public_keys(name).values()), None)",
        invalid(route=PHOTO),
    ),
    "a node's signature is not verified": (
        node_tokens, 'keys.public_key(public), algorithms=[_ALGORITHM], options=options',
        'options=options | {"verify_signature": False}', invalid(route=PHOTO),
    ),
    "who is not valid is nobody": (
        node_gate, """            request.context.node = self._proven(request, token) if token is not None else ""
""", """            try:
                request.context.node = self._proven(request, token or "")
            except Unauthenticated:
                request.context.node = ""
""", invalid(route=PHOTO),
    ),
    "an identity is looked at where somebody asks for it only": (
        node_gate, "        self.requester(request)\n", "        pass\n", invalid(route="POST /v1/uploads/init"),
    ),
    "nobody is a server": (
        node_gate, "        if not name:\n", "        if not name:\n            return name\n        if False:\n",
        row("GET /border/v1/statement", ""),
    ),
    "an edge is as good as a region": (
        node_gate, "place is None or place.kind not in kinds", "place is None",
        row("POST /border/v1/details", "sydney"),
    ),
    "every edge is a shield": (grants, "self._context.shield_name() != shield", "False", row(GRANT, "frankfurt")),
    "the edge behind the shield is not asked for": (
        grants, "[shield] if edge is None else [shield, edge]", "[shield]", granted(matrix.denied, "sydney"),
    ),
    "the shield's own place is not asked for": (
        grants, "[shield] if edge is None else [shield, edge]", "[edge or shield]", granted(matrix.moved, "frankfurt"),
    ),
    "a URL goes where serving is denied": (
        grants, "        if not serve.allowed:\n", "        if False:\n", granted(matrix.denied, "sydney"),
    ),
    "a URL goes where nobody can tell": (
        grants, "        if serve.passing:\n", "        if serve.passing:\n            return\n        if False:\n",
        granted(matrix.no_lease, "sydney"),
    ),
    "a denial is not raised": (
        residency_guard, "    if not decision.allowed:\n", "    if False:\n", shown(matrix.denied, "sydney"),
    ),
    "what nobody can tell is allowed": (
        residency_guard, "    if decision.passing:\n",
        "    if decision.passing:\n        return\n    if False:\n", shown(matrix.no_lease, "sydney"),
    ),
    "lists show all": (
        residency_guard, "[photo for photo in photos if decisions[photo.photo_id, Action.SERVE].allowed]",
        "list(photos)", shown(matrix.denied, "sydney"),
    ),
    "a list is silently shorter where nobody can tell": (
        residency_guard, "if one.passing), None)", "if False), None)", shown(matrix.no_lease, "sydney"),
    ),
    "what is pending does not tighten": (
        rules, "        for statement in statements:\n", "        for statement in statements[:1]:\n",
        shown(matrix.pending_denial, "sydney"),
    ),
    "what is pending loosens": (
        rules, "        for statement in statements:\n", "        for statement in statements[-1:]:\n",
        shown(matrix.pending_permission, "sydney"),
    ),
    "the lease is not needed": (
        rules, "            if not self.leased:\n", "            if False:\n", shown(matrix.no_lease, "sydney"),
    ),
    "without a lease a region's own jurisdiction is dark": (
        rules, "if place is not None and place.jurisdiction == home.jurisdiction:", "if False:",
        shown(matrix.no_lease, "frankfurt"),
    ),
    "a place that a statement takes out goes on": (
        rules, "        if not listed:\n            return {}\n", "        listed = listed[:1]\n",
        shown(matrix.unlisted, "sydney"),
    ),
    "a place is where the statement in force has it": (
        rules, "any(self._needs_lease(statement, subject, action, place_name) for statement in statements)",
        "self._needs_lease(statements[0], subject, action, place_name)", shown(matrix.moved, "lisbon"),
    ),
    "an account answers through every edge": (
        gate, 'not in ("", self._context.shield_name())', "is None", row("POST /v1/sessions", "sydney"),
    ),
    "a user's token is good in every region": (
        user_tokens, """audience=self.here, options=options)
        if region != claims["iss"] or claims["aud"] != self.here:""",
        """options=options | {"verify_aud": False})
        if region != claims["iss"]:""",
        finds(test_tokens.test_a_token_that_came_with_a_like_is_worth_nothing_at_the_users_home),
    ),
    "a region may sign for another region's users": (
        user_tokens, "self.region_of(ids.parse(ids.USER, user_id).region) != home", "False",
        finds(test_tokens.test_a_token_that_another_region_signed_for_our_user_is_invalid),
    ),
    "an ended session goes on": (
        context, "if self.revoked.has(token.home_region, token.session_id):", "if False:",
        finds(test_sessions.test_an_ended_session_is_worth_nothing_at_once),
    ),
    "a token may do everything": (
        scopes, "    if needed is None or needed not in allowed:\n", "    if False:\n",
        finds(test_scopes.test_each_row_is_enforced),
    ),
}  # fmt: skip
"""What is exchanged for what in which guard, and what finds it."""


@pytest.mark.parametrize(("module", "before", "after", "finder"), MUTANTS.values(), ids=MUTANTS.keys())
def test_a_planted_mistake_is_found(monkeypatch, request, module, before, after, finder):
    """The same finders pass without it: they are tests of their own."""
    find = finder(request)
    plant(monkeypatch, module, before, after)
    with pytest.raises(AssertionError):
        find()
