"""Whatever is sent, the answer is a problem document (RFC 9457), and nothing leaks in it."""

import pytest

from regions.errors import Unavailable


def is_problem(answer, status, slug):
    """The shape and the type that every refusal has."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json["status"] == status
    assert answer.json["type"] == (f"urn:darkroom:problem:{slug}" if slug else "about:blank")
    assert answer.json["title"]
    assert answer.json["detail"]
    return True


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"text"',
        b"7",
        b"NaN",
        b"\xff\xfe\xfd",
        b'{"name": "Ana", }',
        b"[" * 60_000,
        b'{"name":' * 8_000,
        b'{"name": ' + b"9" * 6_000 + b"}",
        b"\0",
    ],
)
def test_what_is_no_json_object_is_refused(api, ana, raw):
    """Cut off, of another kind, or nested beyond all measure."""
    assert is_problem(api.send("/v1/users", raw), 400, "bad-request")
    assert is_problem(api.send("/v1/uploads/init", raw, ana), 400, "bad-request")


def test_a_body_over_its_limit_is_refused(api):
    """64 KiB, by its length, before it is read."""
    assert is_problem(api.send("/v1/users", b" " * (64 * 1024 + 1)), 413, "too-large")


def test_a_route_that_there_is_not_is_not_found(api):
    """With the same document as everything else that is not there."""
    for path in ("/", "/v1", "/v1/users/a/b/c/d", "/v2/users", "/v1/photos/../../etc/passwd"):
        assert is_problem(api.ask("GET", path), 404, "not-found")


def test_a_method_that_there_is_not_names_those_there_are(api):
    """405 with `Allow` (RFC 9110 section 15.5.6)."""
    answer = api.ask("PATCH", "/v1/users")
    assert is_problem(answer, 405, None)
    assert "POST" in answer.headers["allow"]


def test_a_store_that_is_away_is_worth_another_try(api, ana, monkeypatch):
    """503 says when."""

    def away(user_id):
        raise Unavailable("the store does not answer")

    monkeypatch.setattr(api.catalog.users, "get", away)
    answer = api.ask("GET", f"/v1/users/{ana.id}")
    assert is_problem(answer, 503, "unavailable")
    assert answer.headers["retry-after"] == "1"


def test_a_mistake_of_ours_tells_nothing_of_the_inside(api, ana, monkeypatch):
    """500, and the traceback stays in the log."""

    def broken(user_id):
        raise ZeroDivisionError("/secret/path")

    monkeypatch.setattr(api.catalog.users, "get", broken)
    answer = api.ask("GET", f"/v1/users/{ana.id}")
    assert is_problem(answer, 500, "internal")
    assert "secret" not in answer.text


def test_every_kind_of_refusal_has_the_shape(api, ana, eva, nobodys):
    """One of each status that clients meet."""
    photo_id = api.uploaded(ana)
    assert is_problem(api.ask("GET", f"/v1/users/{ana.id}/feed"), 401, "unauthenticated")
    assert is_problem(api.ask("DELETE", f"/v1/photos/{photo_id}", who=eva), 403, "forbidden")
    assert is_problem(api.ask("GET", f"/v1/photos/{nobodys('p')}"), 404, "not-found")
    assert is_problem(api.ask("PUT", f"/v1/photos/{photo_id}/like", who=ana), 409, "conflict")
    assert is_problem(api.ask("GET", f"/v1/photos/{nobodys('p', 1)}"), 421, "misdirected")
    assert is_problem(api.ask("PUT", f"/v1/users/{ana.id}/following/{ana.id}", who=ana), 422, "unprocessable")


def test_health_names_the_region(api):
    answer = api.ask("GET", "/health")
    assert (answer.status_code, answer.json) == (200, {"region": "eu-west"})
