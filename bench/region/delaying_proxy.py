"""A TCP proxy that puts a distance between a client and its server: every byte that the server sends arrives later.

Two processes that contend for something on a server of this machine mostly wait for its two cores, and show nothing of
what they wait for in a data centre. With a delay they wait for responses, as they do there, and the cores are idle.

`python -m bench.region.delaying_proxy PORT DELAY_MS` prints the port on which it listens, and runs until SIGTERM.
"""

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

_HOST = "127.0.0.1"
_ROOT = Path(__file__).parents[2]
_READ_BYTES = 1 << 16
# When so many pieces are under way, the server has to wait before it may send more.
_MOST_UNDER_WAY = 10_000


@contextmanager
def delayed(address: str, delay_ms: float) -> Iterator[str]:
    """The address of a proxy in a process of its own, in front of the server at `address` on loopback."""
    command = [sys.executable, "-m", "bench.region.delaying_proxy", address.rpartition(":")[2], str(delay_ms)]
    with subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield f"{_HOST}:{int(process.stdout.readline())}"
        finally:
            process.terminate()


async def serve(port: int, delay_s: float, listening: Callable[[int], object]) -> None:
    """Forwards connections to the server at `port`. Calls `listening` with its own port, and runs until cancelled."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_connection(_HOST, port)
        with closing(writer), closing(server_writer):
            try:
                async with asyncio.TaskGroup() as both_ways:
                    both_ways.create_task(_forward(reader, server_writer, 0.0))
                    both_ways.create_task(_forward(server_reader, writer, delay_s))
            except* ConnectionError:
                """Either end has gone, so the connection ends."""

    async with await asyncio.start_server(connected, _HOST, 0) as server:
        listening(server.sockets[0].getsockname()[1])
        await server.serve_forever()


async def _forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay_s: float) -> None:
    """Until the end of the stream, which is forwarded too.

    Each piece leaves `delay_s` after it came, however many are under way: a long pipe, not a narrow one.
    """
    under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_MOST_UNDER_WAY)
    async with asyncio.TaskGroup() as both_ends:
        both_ends.create_task(_send(under_way, writer))
        while piece := await reader.read(_READ_BYTES):
            await under_way.put((_now_s() + delay_s, piece))
        await under_way.put((_now_s() + delay_s, b""))


async def _send(under_way: "asyncio.Queue[tuple[float, bytes]]", writer: asyncio.StreamWriter) -> None:
    while True:
        due_s, piece = await under_way.get()
        await asyncio.sleep(max(0.0, due_s - _now_s()))
        if not piece:
            break
        writer.write(piece)
        await writer.drain()
    writer.write_eof()


def _now_s() -> float:
    return asyncio.get_running_loop().time()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), float(sys.argv[2]) / 1000, lambda port: print(port, flush=True)))
