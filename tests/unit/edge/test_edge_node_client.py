"""What an edge signs is what another server gets, whatever a client has written into its request."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.http1 import parse_head
from edge.node_client import NodeClient
from regions import keys, node_tokens
from regions.errors import BadGateway, BadRequest, Unauthenticated, Unavailable
from regions.node_tokens import Call, NodeSigner
from tests.builders.http import JsonHandler, answering
from tests.builders.statements import node_key

NOW_S = 1_800_000_000
LISTED = {"k1": keys.public_text(node_key("lisbon").public_key())}
TARGETS = st.text(string.ascii_letters + string.digits + string.punctuation, max_size=40).map("/v1/users{}".format)
"""All that a request line may contain."""


class ReceivingHandler(JsonHandler):
    """Answers 200 if the node token is for the target that has arrived, byte by byte, and else 401."""

    def do(self) -> None:
        call = Call("eu-west", self.command, self.requestline.split()[1], self.body())
        try:
            node_tokens.sender(self.headers[node_tokens.HEADER], call, lambda name: LISTED, NOW_S)
        except Unauthenticated:
            return self.send(401, {}, None)
        self.send(200, {}, None)

    do_GET = do_POST = do


@pytest.fixture(scope="module")
def url():
    with answering(ReceivingHandler) as url:
        yield url


@pytest.fixture(scope="module")
def client():
    return NodeClient(NodeSigner("lisbon", {"k1": node_key("lisbon")}, lambda: LISTED, lambda: NOW_S))


@pytest.mark.parametrize(
    "query", ["a=%c3%a9", "a=|", "a=[1]", "a={1}", 'a="', "a=^", "a=%", "a=%zz", "a=%c3%A9%", "a=`<>\\", "?", "a=../b"]
)
def test_a_query_of_any_characters_is_signed_as_it_arrives(url, client, query):
    """Those that no URI may contain are escaped on the way."""
    assert client.request("eu-west", "GET", f"{url}/v1/users?{query}", {}).status == 200
    response = client.open_shield("eu-west", f"{url}/v1/users?{query}", {})
    response.close()
    assert response.status == 200


@given(TARGETS)
def test_whatever_target_a_client_sends_is_signed_as_it_arrives(url, client, target):
    """As an edge parses it from a request line."""
    try:
        head = parse_head(f"POST {target} HTTP/1.1\r\nHost: x".encode())
    except BadRequest:
        return
    assert client.request("eu-west", "POST", url + head.target, {}, b"{}").status == 200


class BusyHandler(JsonHandler):
    """Breaks off every POST, and answers each GET."""

    def do_GET(self) -> None:
        self.send(404, {}, None)

    def do_POST(self) -> None:
        self.close_connection = True


def test_who_is_back_is_found_although_nobody_needs_it():
    """Asked for its health, it answers whatever it likes. Who is away stays named, and so does whose calls fail now."""
    now_s = [100.0]
    signer = NodeSigner("lisbon", {"k1": node_key("lisbon")}, lambda: LISTED, lambda: NOW_S)
    client = NodeClient(signer, lambda: now_s[0])
    with answering(BusyHandler) as back:
        with answering(BusyHandler) as away:
            for name, base in (("sydney", back), ("perth", away)):
                for _ in range(5):
                    with pytest.raises((BadGateway, Unavailable)):
                        client.request(name, "POST", f"{base}/v1/likes?a=b", {}, b"{}")
        client.ask_refused()
        assert client.refused() == ["perth", "sydney"]
        now_s[0] += 11
        client.ask_refused()
        assert client.refused() == ["perth"]
