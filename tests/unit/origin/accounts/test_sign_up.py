"""Signing up, and where somebody's home is."""

import pytest

from regions import ids
from regions.errors import Unavailable
from regions.stores.settings import STATEMENT
from tests.builders.accounts import sign_up_body
from tests.builders.statements import POLICY_TEXT


def sign_up(api, node=None, **changes):
    return api.request("POST", "/v1/users", sign_up_body(**changes), node=node)


def test_signing_up_returns_all_that_a_client_needs(api):
    """Portugal's home region is eu-west: the id contains it, the handle is written with it."""
    response = sign_up(api, name=" Ana ")
    assert response.status_code == 201
    made = response.json
    assert made.keys() == {
        "id", "handle", "home_region", "session", "refresh_token", "tokens", "expires_in_s", "recovery_codes",
    }  # fmt: skip
    assert (made["handle"], made["home_region"], list(made["tokens"])) == ("ana@eu-west", "eu-west", ["eu-west"])
    assert len(set(made["recovery_codes"])) == 10
    assert ids.parse(ids.USER, made["id"]).region == 0
    profile = api.request("GET", f"/v1/users/{made['id']}").json
    assert (profile["name"], profile["handle"]) == ("Ana", "ana@eu-west")


def test_the_catalog_has_no_secret(api):
    """Neither the passphrase, nor a code, nor a token: only what checks them."""
    made = sign_up(api).json
    user_id = made["id"]
    stored = repr((api.catalog.credentials.of_user(user_id), api.catalog.sessions.of_user(user_id)))
    secrets = [sign_up_body()["passphrase"], *made["recovery_codes"], *made["refresh_token"].split(".")[2:]]
    assert not [secret for secret in secrets if secret in stored or secret.replace("-", "") in stored]
    assert "$argon2id$" in stored


def test_people_of_another_home_region_are_sent_to_its_shield(api):
    """421 names region and URL, and no user is created."""
    response = sign_up(api, country="US")
    assert (response.status_code, response.json["region"]) == (421, "us-central")
    assert response.json["url"] == "http://chicago.test"
    assert api.catalog.handles.owner("ana") is None


@pytest.mark.parametrize("node", ["frankfurt", "sydney", "chicago"])
def test_a_sign_up_through_another_edge_than_the_homes_shield_is_refused(api, node):
    """An edge sees the passphrases that pass through it. 421 says where to go."""
    response = sign_up(api, node=node)
    assert (response.status_code, response.json["url"]) == (421, "http://lisbon.test")
    assert sign_up(api, node="lisbon").status_code == 201


@pytest.mark.parametrize("country", ["FR", "GF", "GP", "MF", "MQ", "RE", "YT"])
def test_people_of_the_eus_outermost_regions_live_in_the_eu(api, country):
    """These regions have country codes of their own, and the same law."""
    user = api.catalog.users.get(api.sign_up("Ana", country).id)
    assert (user.residency_class, user.home_region) == ("eu", "eu-west")


def test_without_a_statement_nobody_can_sign_up(open_api):
    """Fails closed, with Retry-After; nobody learns where their home is either."""
    api = open_api("eu-west", stated=False)
    response = sign_up(api)
    assert (response.status_code, response.headers["retry-after"]) == (503, "1")
    assert api.request("GET", "/v1/homes", country="PT").status_code == 503


def test_what_is_no_statement_in_the_settings_changes_nothing(api):
    """Who can write there can't change the policy: neither remove it, nor break it."""
    for text in ("", "policy: 1\ndefault_class: world\n", "{}", "\x00"):
        api.context.stores.settings.values.write(STATEMENT, text)
        api.watch.watch_once()
        assert api.sign_up().id
    api.context.stores.settings.values.delete(STATEMENT)
    api.watch.watch_once()
    assert api.sign_up().id


def test_a_statement_that_is_pending_forbids_at_once(api):
    """Nobody who may not live here any more can sign up, before a majority has heard of it. 451 cites the rule."""
    denial = "    rules:\n      - {deny: [rest_metadata], at: [eu-west], because: No.}\n"
    text = POLICY_TEXT.replace("    rules:\n", denial, 1)
    text = text.replace("countries: [BE, ES, FR, GF, GP, IE, IS, LU, MF, MQ, NL, PT, RE, YT]", "countries: [BE]")
    text = text.replace("- region: eu-west\n", "- region: eu-central\n")
    statement = api.compliance.states(text, api.places)
    api.context.stores.settings.values.write(STATEMENT, statement.signed)
    api.watch.watch_once()
    response = sign_up(api)
    assert response.status_code == 451
    assert response.json["rule"].startswith("policy.yaml:")


@pytest.mark.parametrize(
    "change",
    [
        {"name": None},
        {"name": ""},
        {"name": "   "},
        {"name": "a" * 81},
        {"name": 7},
        {"name": ["Ana"]},
        {"name": "A\0na"},
        {"name": "A\nna"},
        {"name": "A\u0085na"},
        {"name": "A\ud800na"},
        {"name": "\u202e\u202e"},
        {"name": "Ana\u202e"},
        {"name": "\u2066Ana\u2069"},
        {"name": "\u200b\u200d"},
        {"name": "\u3164"},
        *({"country": country} for country in ("pt", "PRT", "P1", None, "XX", "UK", "EL", "EU", 7)),
        *({"handle": handle} for handle in ("", "a", "a" * 31, "Ana", "ana@eu-west", "a b", "añа", "a-b", None, 7)),
        *({"passphrase": passphrase} for passphrase in (None, 7, "", "nine char", "x" * 257, "x\ud800" * 6)),
        {"label": 7},
        {"label": "a" * 81},
    ],
)
def test_an_invalid_sign_up_is_rejected(api, change):
    """Every field has a type and a bound."""
    assert sign_up(api, **change).status_code == 400


@pytest.mark.parametrize("passphrase", ["PassWord123", "1234567890", "abababababab", "correcthorsebatterystaple"])
def test_a_passphrase_that_anybody_would_guess_is_refused(api, passphrase):
    """In any case of letters."""
    assert sign_up(api, passphrase=passphrase).status_code == 422


def test_a_handle_is_taken_once(api):
    """And stays with its account; the second person gets a 409 and no account."""
    first = sign_up(api).json
    response = sign_up(api, name="Another Ana")
    assert (response.status_code, response.json["type"]) == (409, "urn:darkroom:problem:conflict")
    assert api.catalog.handles.owner("ana") == first["id"]


def test_of_two_who_want_a_handle_at_once_the_second_gets_nothing(api, monkeypatch):
    """Although it was free when they looked. No name and no credential is left of the second."""
    added = []
    add = api.catalog.users.add

    def overtaken(user, event):
        added.append(user.user_id)
        add(user, event)
        assert api.catalog.handles.claim("ana", "u_00000000001")

    monkeypatch.setattr(api.catalog.users, "add", overtaken)
    assert sign_up(api).status_code == 409
    assert api.catalog.users.get(added[0]).name == "" and api.catalog.credentials.of_user(added[0]) == []


def test_a_handle_is_claimed_last(api, monkeypatch):
    """So that one is never left without an account by a crash in between."""

    def crash(*arguments):
        raise Unavailable("the store is away")

    for step in ("users.add", "credentials.replace", "handles.claim"):
        table, _, method = step.partition(".")
        with monkeypatch.context() as patched:
            patched.setattr(getattr(api.catalog, table), method, crash)
            assert sign_up(api).status_code == 503
        assert api.catalog.handles.owner("ana") is None
    assert sign_up(api).status_code == 201


def test_who_lost_the_answer_can_sign_in(api, monkeypatch):
    """The account is whole once the handle is claimed."""
    with monkeypatch.context() as patched:
        patched.setattr(api.catalog.sessions, "add", lambda session: 1 / 0)
        assert sign_up(api).status_code == 500
    body = {"handle": "ana@eu-west", "passphrase": sign_up_body()["passphrase"]}
    assert api.request("POST", "/v1/sessions", body).status_code == 201


def test_the_home_of_a_country_is_known_everywhere(api, us_api):
    """With the URL of its shield, where the accounts are."""
    for asked in (api, us_api):
        home = asked.request("GET", "/v1/homes", country="FR").json
        assert home == {"region": "eu-west", "number": 0, "url": "http://lisbon.test"}
        assert asked.request("GET", "/v1/homes", region="us-central").json["url"] == "http://chicago.test"
    listed = api.request("GET", "/v1/homes").json
    assert [home["region"] for home in listed["items"]] == ["eu-west", "eu-central", "us-central"]


@pytest.mark.parametrize("query", [{"country": "XX"}, {"country": "a" * 500}, {"region": "mars"}, {"region": ""}])
def test_there_is_no_home_for_an_unknown_country_or_region(api, query):
    assert api.request("GET", "/v1/homes", **query).status_code in (200, 400)
    assert query == {"region": ""} or api.request("GET", "/v1/homes", **query).status_code == 400
