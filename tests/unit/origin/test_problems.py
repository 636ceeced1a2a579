"""Every error response is a problem document (RFC 9457), and contains nothing internal."""

import pytest

from regions.errors import Unavailable


def is_problem(response, status, slug):
    """Checks what every problem document has, its status and its type."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json["status"] == status
    assert response.json["type"] == (f"urn:darkroom:problem:{slug}" if slug else "about:blank")
    assert response.json["title"]
    assert response.json["detail"]
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
def test_a_body_that_is_not_a_json_object_is_rejected(api, ana, raw):
    """Cut off, of another type, or nested too deeply."""
    assert is_problem(api.send("/v1/users", raw), 400, "bad-request")
    assert is_problem(api.send("/v1/uploads/init", raw, ana), 400, "bad-request")


def test_a_body_over_the_limit_is_rejected(api):
    """64 KiB, by Content-Length, before it is read."""
    assert is_problem(api.send("/v1/users", b" " * (64 * 1024 + 1)), 413, "too-large")


def test_an_unknown_route_is_not_found(api):
    """With the same document as anything else that does not exist."""
    for path in ("/", "/v1", "/v1/users/a/b/c/d", "/v2/users", "/v1/photos/../../etc/passwd"):
        assert is_problem(api.request("GET", path), 404, "not-found")


def test_an_unknown_method_gets_the_allowed_ones(api):
    """405 with `Allow` (RFC 9110 section 15.5.6)."""
    response = api.request("PATCH", "/v1/users")
    assert is_problem(response, 405, None)
    assert "POST" in response.headers["allow"]


def test_an_unavailable_store_is_reported_with_retry_after(api, ana, monkeypatch):
    """503."""

    def unavailable(user_id):
        raise Unavailable("the store does not response")

    monkeypatch.setattr(api.catalog.users, "get", unavailable)
    response = api.request("GET", f"/v1/users/{ana.id}")
    assert is_problem(response, 503, "unavailable")
    assert response.headers["retry-after"] == "1"


def test_an_internal_error_reveals_nothing(api, ana, monkeypatch):
    """500; the traceback goes to the log only."""

    def broken(user_id):
        raise ZeroDivisionError("/secret/path")

    monkeypatch.setattr(api.catalog.users, "get", broken)
    response = api.request("GET", f"/v1/users/{ana.id}")
    assert is_problem(response, 500, "internal")
    assert "secret" not in response.text


def test_every_status_has_its_problem_type(api, ana, eva, unused_id):
    """One of each status that clients commonly get."""
    photo_id, uploaded = api.ready(ana), api.uploaded(ana)
    assert is_problem(api.request("GET", f"/v1/users/{ana.id}/feed"), 401, "unauthenticated")
    assert is_problem(api.request("DELETE", f"/v1/photos/{photo_id}", user=eva), 403, "forbidden")
    assert is_problem(api.request("GET", f"/v1/photos/{unused_id('p')}"), 404, "not-found")
    assert is_problem(api.request("PUT", f"/v1/photos/{uploaded}/like", user=ana), 409, "conflict")
    assert is_problem(api.request("GET", f"/v1/photos/{unused_id('p', 1)}"), 421, "misdirected")
    assert is_problem(api.request("PUT", f"/v1/users/{ana.id}/following/{ana.id}", user=ana), 422, "unprocessable")


def test_health_names_the_region_and_the_statement_in_force(api):
    response = api.request("GET", "/health")
    assert (response.status_code, response.json) == (200, {"region": "eu-west", "statement": 1, "refused": []})
