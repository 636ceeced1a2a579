"""The API through a real edge: it forwards to the right region, under its own name, and trusts no client."""

import json

import pytest

from regions import ids, user_tokens
from regions.clock import now_s
from regions.node_tokens import Call
from regions.user_tokens import AccessToken
from tests.builders.statements import node_key

PROBLEM = {"Content-Type": "application/problem+json"}


def user_of(world, region: str) -> str:
    number = {"eu-west": 1, "us-central": 2}[region]
    return ids.to_public(ids.USER, ids.compose(ids.Snowflake(now_s() * 1000, number, 0, 0)))


def access_token(world, region: str) -> str:
    claims = AccessToken(user_of(world, region), region, region, "s_1", frozenset(), "eu")
    return user_tokens.issue(claims, "k1", node_key(region), now_s())


def test_a_request_goes_to_the_region_of_the_first_id(world, chicago):
    """Whatever the edge and the token are."""
    user_id = user_of(world, "eu-west")
    token = access_token(world, "us-central")
    response = chicago.get(f"/v1/users/{user_id}/photos", Authorization=f"Bearer {token}")
    assert response.json()["region"] == "eu-west"
    assert response.headers["Cache-Status"] == "chicago; fwd=bypass"


def test_a_request_without_an_id_goes_to_the_region_of_the_token(world, chicago):
    """So an upload begins in the home region."""
    token = access_token(world, "eu-west")
    assert chicago.get("/v1/uploads/init", "POST", Authorization=f"Bearer {token}").json()["region"] == "eu-west"


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer x.y.z", "Bearer " + "a" * 5000, "Basic eDp5"])
def test_any_other_request_goes_to_the_nearest_region(chicago, madrid, authorization):
    """Also with an invalid token: the origin rejects it."""
    assert chicago.get("/v1/uploads/init", "POST", Authorization=authorization).json()["region"] == "us-central"
    assert madrid.get("/v1/uploads/init", "POST", Authorization=authorization).json()["region"] == "eu-west"


def test_a_misdirected_request_is_sent_again_to_the_region_that_the_421_names(world, chicago):
    """With its body; the client sees one response."""
    refusal = (421, PROBLEM, {"status": 421, "region": "eu-west"})
    world.regions["us-central"].replies["/v1/uploads/init"] = refusal
    response = chicago.http.request("POST", f"{chicago.url}/v1/uploads/init", body=b'{"name": "Ana"}')
    assert response.json() == {"region": "eu-west", "body": '{"name": "Ana"}'}


@pytest.mark.parametrize("named", ["nowhere", "us-central", 7, None, ["eu-west"]])
def test_a_421_that_names_no_other_region_is_returned_to_the_client(world, chicago, named):
    """It is not followed in circles."""
    world.regions["us-central"].replies["/v1/uploads/init"] = (421, PROBLEM, {"region": named})
    before = world.regions["us-central"].served["/v1/uploads/init"]
    assert chicago.get("/v1/uploads/init", "POST").status == 421
    assert world.regions["us-central"].served["/v1/uploads/init"] == before + 1


def test_two_regions_that_name_each_other_get_one_request_each(world, chicago):
    """The second 421 is the response."""
    for region, other in (("us-central", "eu-west"), ("eu-west", "us-central")):
        world.regions[region].replies["/v1/uploads/init"] = (421, PROBLEM, {"region": other})
    response = chicago.get("/v1/uploads/init", "POST")
    assert (response.status, response.json()["region"]) == (421, "us-central")


def test_the_origin_gets_the_edges_node_token_and_not_the_clients(world, chicago):
    """Only those of the client's headers that the API reads are forwarded; Via, CDN-Loop and its address are added."""
    chicago.get(
        f"/v1/photos/{user_of(world, 'us-central')}?before=x",
        Darkroom_Node_Grant="y", Darkroom_Grant="z", Connection="Accept", Accept="a/b",
        X_Other="1", X_Forwarded_For="::1", Accept_Language="pt", CDN_Loop="elsewhere", Via="1.1 proxy",
        Darkroom_Client="203.0.113.9", Forwarded="for=203.0.113.9",
    )  # fmt: skip
    region = world.regions["us-central"]
    _, target, headers, _ = region.requests[-1]
    assert target.endswith("?before=x")
    assert region.sender(Call("us-central", "GET", target), headers) == "chicago"
    assert headers["cdn-loop"] == "elsewhere, darkroom-chicago"
    assert (headers["accept-language"], headers["via"]) == ("pt", "1.1 proxy, 1.1 chicago")
    assert headers["darkroom-client"] == "127.0.0.1"
    assert "203.0.113.9" not in str(headers)
    assert headers.keys() & {"darkroom-grant", "darkroom-node-grant", "x-other", "x-forwarded-for", "accept"} == set()


@pytest.mark.parametrize("query", ["before=%c3%a9", "before=|[1]", "before=%zz", "before=../x?/"])
def test_the_origin_gets_a_token_for_what_it_gets(world, chicago, query):
    """Whatever characters the client has put into the query; those that no URI may contain are escaped on the way."""
    path = f"/v1/photos/{user_of(world, 'us-central')}"
    head = f"GET {path}?{query} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    assert raw(chicago, head.encode()).startswith(b"HTTP/1.1 200 ")
    region = world.regions["us-central"]
    _, target, headers, _ = region.requests[-1]
    assert region.sender(Call("us-central", "GET", target), headers) == "chicago"


@pytest.mark.parametrize("name", ["SCRIPT_NAME", "PATH_INFO", "Accept_Language", "X!Y"])
def test_a_header_that_a_gateway_would_interpret_is_not_forwarded(world, lisbon, name):
    """Such as those with which a gateway moves the path."""
    head = f"GET /v1/users/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{name}: /v1/users\r\n\r\n"
    assert raw(lisbon, head.encode()).startswith(b"HTTP/1.1 200 ")
    assert name.lower() not in world.regions["eu-west"].requests[-1][2]


def test_a_response_of_the_api_may_not_be_cached(world, lisbon):
    """Unless the origin itself sets Cache-Control."""
    assert lisbon.get("/v1/users").headers["Cache-Control"] == "no-store"
    world.regions["eu-west"].replies["/v1/users"] = (200, {"cache-control": "max-age=9"}, {})
    assert lisbon.get("/v1/users").headers.getlist("Cache-Control") == ["max-age=9"]


def test_a_head_request_gets_the_response_of_a_get_without_the_body(world, lisbon):
    """The origin does not support HEAD."""
    got, head = lisbon.get("/v1/users"), lisbon.get("/v1/users", "HEAD")
    assert (head.status, head.data) == (200, b"")
    assert head.headers["Content-Length"] == got.headers["Content-Length"]
    assert world.regions["eu-west"].requests[-1][0] == "GET"


@pytest.mark.parametrize("status", [413, 429, 503])
def test_a_response_with_retry_after_reaches_the_client(world, lisbon, status):
    """As it is, and at once: the client decides when to try again."""
    problem = {"Content-Type": "application/problem+json", "Retry-After": "7"}
    world.regions["eu-west"].replies["/v1/users"] = (status, problem, {"status": status, "detail": "busy"})
    before = world.regions["eu-west"].served["/v1/users"]
    response = lisbon.get("/v1/users")
    assert (response.status, response.headers["Retry-After"]) == (status, "7")
    assert response.json() == {"status": status, "detail": "busy"}
    assert world.regions["eu-west"].served["/v1/users"] == before + 1


@pytest.mark.parametrize("status", [400, 414, 431, 500])
def test_an_error_that_is_not_a_problem_document_becomes_one(world, lisbon, status):
    """A server in front of the origin may respond with HTML."""
    world.regions["eu-west"].replies["/v1/users"] = (status, {"Content-Type": "text/html"}, "<h1>No</h1>")
    response = lisbon.get("/v1/users")
    assert (response.status, response.headers["Content-Type"]) == (502, "application/problem+json")
    assert str(status) in response.json()["detail"]


@pytest.mark.parametrize(
    "path",
    [
        "/v1/grants/p_00000000000/320?place=lisbon",
        "/v1/tombstones",
        "/border/v1/details",
        "/border/v1/statement",
        "/v1/%67rants/p_00000000000/320?place=lisbon",
        "/v1//grants/p_00000000000/320",
        "/v1/users/../grants/p_00000000000/320",
        "/v1/photos/%2e%2e/tombstones",
        "/v1/users\\..\\tombstones",
        "/v1/",
    ],
)
def test_requests_that_are_for_servers_only_are_not_forwarded(world, lisbon, path):
    """Otherwise a client could use the edge's node token: 404, and the origin gets no request."""
    before = sum(sum(region.served.values()) for region in world.regions.values())
    tombstones = sum(region.served["/v1/tombstones"] for region in world.regions.values())
    reply = raw(lisbon, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    assert reply.startswith(b"HTTP/1.1 404 ")
    requested = sum(sum(region.served.values()) for region in world.regions.values()) - before
    # The edges continue to request tombstones meanwhile.
    assert requested == sum(region.served["/v1/tombstones"] for region in world.regions.values()) - tombstones


ACCOUNT = {"country": "PT", "handle": "ana@eu-west", "passphrase": "a secret", "refresh_token": "u_x"}


def account_routes(world, region: str) -> list[tuple[str, str]]:
    user = f"/v1/users/{user_of(world, region)}"
    return [
        ("POST", "/v1/users"), ("POST", "/v1/sessions"), ("POST", "/v1/sessions/recovery"),
        ("POST", "/v1/sessions/refresh"), ("DELETE", user), ("GET", f"{user}/sessions"), ("DELETE", f"{user}/sessions"),
        ("DELETE", f"{user}/sessions/s_1"), ("POST", f"{user}/confirmation"), ("POST", f"{user}/script-tokens"),
        ("POST", f"{user}/recovery-codes"), ("PUT", f"{user}/passphrase"), ("PUT", f"{user}/name"),
        ("GET", f"{user}/export"),
    ]  # fmt: skip


def send_account(world, edge, method: str, path: str, home: str):
    body = {**ACCOUNT, "handle": f"ana@{home}", "refresh_token": f"{user_of(world, home)}.s_1.x.y"}
    data = json.dumps(body) if method in ("POST", "PUT") else None
    return edge.http.request(method, f"{edge.url}{path}", body=data)


def test_an_account_route_is_forwarded_by_the_homes_own_shield(world, lisbon):
    """With what a page of another edge needs to read the answer."""
    world.regions["eu-west"].replies["/v1/homes"] = (200, {}, {"region": "eu-west"})
    for method, path in account_routes(world, "eu-west"):
        response = send_account(world, lisbon, method, path, "eu-west")
        assert (response.status, response.json()["region"]) == (200, "eu-west"), path
        assert response.headers["Access-Control-Allow-Origin"] == "*"
        assert world.regions["eu-west"].requests[-1][1] == path


def test_no_other_edge_forwards_anything_of_an_account(world, chicago, madrid):
    """Whether it is another region's shield or none: the client gets the region and its shield's URL."""
    for region in world.regions.values():
        region.replies["/v1/homes"] = (200, {}, {"region": "eu-west"})
    before = {name: len(region.requests) for name, region in world.regions.items()}
    for edge in (chicago, madrid):
        for method, path in account_routes(world, "eu-west"):
            response = send_account(world, edge, method, path, "eu-west")
            assert (response.status, response.json()["region"]) == (421, "eu-west"), path
            assert response.json()["url"] == world.edges["lisbon"].url
            assert response.headers.getlist("Access-Control-Allow-Origin") == ["*"]
    new = [request for name, region in world.regions.items() for request in region.requests[before[name] :]]
    assert {target for _, target, _, _ in new} == {"/v1/homes?country=PT"}
    assert not [body for _, _, _, body in new if body]


def test_a_421_of_an_account_is_not_followed(world, lisbon):
    """The origin knows better than the edge; the client goes there itself."""
    world.regions["eu-west"].replies["/v1/sessions"] = (421, PROBLEM, {"status": 421, "region": "us-central"})
    before = len(world.regions["us-central"].requests)
    assert send_account(world, lisbon, "POST", "/v1/sessions", "eu-west").status == 421
    assert len(world.regions["us-central"].requests) == before


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/users", {}), ("/v1/users", {"country": "pt&x=y"}), ("/v1/users", []), ("/v1/sessions", {"handle": "ana"}),
        ("/v1/sessions", {"handle": "ana@mars"}), ("/v1/sessions", {"handle": 7}), ("/v1/sessions/recovery", None),
        ("/v1/sessions/refresh", {"refresh_token": "x"}), ("/v1/sessions/refresh", {}),
    ],
)  # fmt: skip
def test_an_account_request_that_names_no_home_goes_nowhere(world, lisbon, path, body):
    """400, and no origin sees it."""
    before = [len(region.requests) for region in world.regions.values()]
    assert lisbon.http.request("POST", f"{lisbon.url}{path}", body=json.dumps(body)).status == 400
    assert [len(region.requests) for region in world.regions.values()] == before


def test_a_page_of_another_edge_may_ask_before_it_sends(world, lisbon):
    """The CORS protocol's preflight; for account routes only."""
    for _, path in account_routes(world, "eu-west"):
        response = lisbon.get(path, "OPTIONS", Origin="http://chicago.test", Access_Control_Request_Method="POST")
        assert (response.status, response.data) == (204, b"")
        assert response.headers["Access-Control-Allow-Origin"] == "*"
        assert "Authorization" in response.headers["Access-Control-Allow-Headers"]
        assert "Access-Control-Allow-Credentials" not in response.headers
    assert lisbon.get(f"/v1/users/{user_of(world, 'eu-west')}/feed", "OPTIONS").status == 405


def test_without_the_policy_nobody_signs_up_at_an_edge(world, lisbon):
    """No origin can say where the home is."""
    for region in world.regions.values():
        region.replies["/v1/homes"] = (503, PROBLEM, {"detail": "no policy"})
    assert send_account(world, lisbon, "POST", "/v1/users", "eu-west").status == 503


def test_another_region_says_where_a_home_is_while_the_nearest_one_can_not(world, lisbon):
    """Who signs up is sent to their home's shield all the same."""
    world.regions["eu-west"].replies["/v1/homes"] = (503, PROBLEM, {"detail": "no policy"})
    world.regions["us-central"].replies["/v1/homes"] = (200, {}, {"region": "us-central"})
    response = send_account(world, lisbon, "POST", "/v1/users", "us-central")
    assert (response.status, response.json()["region"]) == (421, "us-central")
    assert lisbon.get("/v1/homes?country=US").json() == {"region": "us-central"}


def test_no_region_gets_a_token_for_another_one_with_a_question_that_any_can_answer(world, lisbon):
    """The token is for us-central, and eu-west answers."""
    lisbon.get("/v1/homes", Authorization=f"Bearer {access_token(world, 'us-central')}")
    *_, (_, target, headers, _) = world.regions["eu-west"].requests
    assert (target, headers.get("authorization")) == ("/v1/homes", None)


def test_an_unavailable_origin_is_a_temporary_problem(world, lisbon):
    """For a read and for a write, with Retry-After."""
    world.regions["eu-west"].unavailable = True
    for method in ("GET", "POST"):
        response = lisbon.get("/v1/uploads/init", method)
        assert response.status in (502, 503)
        assert (response.headers["Retry-After"], response.headers["Content-Type"]) == ("1", "application/problem+json")


@pytest.mark.parametrize(
    ("request_head", "status"),
    [
        (b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 431),
        (b"GET /health HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 200 + b"\r\n", 431),
        (b"GET /health HTTP/1.1\r\nHost: x\r\nA: " + b"b" * 20_000 + b"\r\n\r\n", 431),
        (b"GET /v1/users?" + b"a" * 4_000 + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 431),
        (b"GET /v1/users HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAccept: " + b"b" * 8_000 + b"\r\n\r\n", 431),
        (b"GET /v1/users HTTP/1.1\r\nHost: x\r\nConnection: close\r\nVia: " + b"b" * 8_000 + b"\r\n\r\n", 431),
        (b"POST /v1/uploads/init HTTP/1.1\r\nHost: x\r\nContent-Length: 65537\r\n\r\n" + b"x" * 65_537, 413),
        (b"POST /v1/uploads/init HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411),
        (b"POST /v1/uploads/init HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400),
        (b"POST /v1/uploads/init HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400),
        (b"GET /health HTTP/1.1\r\n\r\n", 400),
        (b"GET /health HTTP/1.1\r\nHost: x\r\nBad Name: y\r\n\r\n", 400),
        (b"GET /health HTTP/1.1\r\nHost: x\r\nA: b\r\n folded\r\n\r\n", 400),
        (b"GET /health HTTP/3.0\r\nHost: x\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\r\n\r\n", 400),
        (b"DELETE /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 405),
        (b"GET /p/p_00000000000/320.jpg HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 404),
        (b"GET /p/../../etc/passwd HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 404),
        (b"GET /static/../page.py HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 404),
        (b"GET /static/%2e%2e/cli.py HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 404),
        (b"GET /static//etc/passwd HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 404),
    ],
)
def test_a_hostile_request_gets_a_problem_document(lisbon, request_head, status):
    """Complete and readable, although the request was not read to its end; and the edge keeps working."""
    head, _, body = raw(lisbon, request_head).partition(b"\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {status} ".encode())
    assert b"Content-Type: application/problem+json" in head
    assert json.loads(body)["status"] == status
    assert lisbon.get("/health").json()["edge"] == "lisbon"


def test_the_page_is_served_under_a_strict_policy(lisbon):
    """It loads only its own scripts; a client that has the page gets a 304."""
    response = lisbon.get("/")
    assert (response.status, response.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert "default-src 'self'" in response.headers["Content-Security-Policy"]
    assert "unsafe" not in response.headers["Content-Security-Policy"]
    assert lisbon.get("/", If_None_Match=response.headers["ETag"]).status == 304
    assert lisbon.get("/static/app.js").headers["Content-Type"].startswith("text/javascript")


def test_requests_may_arrive_in_one_packet_or_byte_by_byte(lisbon):
    """Each gets its response, in order."""
    request = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
    last = b"POST /v1/uploads/init HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}"
    assert raw(lisbon, request * 3 + last).count(b"HTTP/1.1 200 OK") == 4
    with lisbon.connect() as connection:
        for byte in last:
            connection.sendall(bytes([byte]))
        assert read_all(connection).startswith(b"HTTP/1.1 200 OK")


def test_a_client_that_expects_100_continue_gets_it(lisbon):
    """RFC 9110 section 10.1.1."""
    with lisbon.connect() as connection:
        connection.sendall(
            b"POST /v1/uploads/init HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
            b"Content-Length: 2\r\nExpect: 100-continue\r\n\r\n"
        )
        assert connection.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"{}")
        assert read_all(connection).startswith(b"HTTP/1.1 200 OK")


def test_a_request_whose_body_ends_early_is_not_forwarded(world, lisbon):
    """The origin never gets half a request."""
    before = len(world.regions["eu-west"].requests)
    with lisbon.connect() as connection:
        connection.sendall(b"POST /v1/uploads/init HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf")
        connection.shutdown(1)
        assert read_all(connection) == b""
    assert len(world.regions["eu-west"].requests) == before


def raw(edge, data: bytes) -> bytes:
    with edge.connect() as connection:
        connection.sendall(data)
        return read_all(connection)


def read_all(connection) -> bytes:
    return b"".join(iter(lambda: connection.recv(65_536), b""))
