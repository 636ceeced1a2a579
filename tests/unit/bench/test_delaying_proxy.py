"""The proxy that puts a distance between a client and its server: nothing is lost or early."""

import asyncio
import random
import socket
import time
from contextlib import closing

import pytest

from bench.region import delaying_proxy

DELAY_S = 0.02


async def echo(reader, writer):
    """Sends back what it gets; ends the connection without a word after `hang up`."""
    with closing(writer):
        while piece := await reader.read(1000):
            if piece == b"hang up":
                writer.transport.abort()
                return
            writer.write(piece)


def through_proxy(talk):
    """What `talk(reader, writer)` returns, of a connection to `echo` through a proxy."""

    async def run():
        async with await asyncio.start_server(echo, "127.0.0.1", 0) as server:
            listening = asyncio.get_running_loop().create_future()
            port = server.sockets[0].getsockname()[1]
            proxy = asyncio.create_task(delaying_proxy.serve(port, DELAY_S, listening.set_result))
            reader, writer = await asyncio.open_connection("127.0.0.1", await listening)
            with closing(writer):
                found = await talk(reader, writer)
            proxy.cancel()
            return found

    return asyncio.run(asyncio.wait_for(run(), 60))


def test_all_bytes_arrive_in_order():
    """Also those that are still under way when the client has ended its side."""
    sent = random.Random(1).randbytes(3_000_000)

    async def talk(reader, writer):
        writer.write(sent)
        writer.write_eof()
        return await reader.read(-1)

    assert through_proxy(talk) == sent


def test_a_response_never_arrives_earlier_than_after_the_delay():
    """Whatever the client sends."""

    async def talk(reader, writer):
        taken_s = []
        for _ in range(5):
            start_s = time.monotonic()
            writer.write(b"request")
            await reader.readexactly(7)
            taken_s.append(time.monotonic() - start_s)
        return taken_s

    assert min(through_proxy(talk)) >= DELAY_S


def test_a_server_that_hangs_up_ends_the_clients_connection():
    """The client must not wait for a response."""

    async def talk(reader, writer):
        writer.write(b"hang up")
        return await reader.read(-1)

    assert through_proxy(talk) == b""


def test_the_proxy_is_a_process_that_ends_with_the_block():
    """So that it takes no time of the process that measures."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        with delaying_proxy.delayed(f"127.0.0.1:{server.getsockname()[1]}", 1.0) as address:
            host, _, port = address.partition(":")
            socket.create_connection((host, int(port))).close()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((host, int(port)))
