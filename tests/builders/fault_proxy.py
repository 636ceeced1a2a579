"""A line between two regions as a process of its own: a TCP proxy on loopback whose faults a test changes.

    with fault_proxy.running(upstream_port) as proxy:
        proxy.apply(line_faults.distant(0.08))
        proxy.apply(line_faults.HEALTHY.struck(responses=LineFault(FaultKind.STALL)))

`line_faults` has what a line can do. A delayed line is long and not narrow: 64 MiB may be under way in each direction
of a connection, so one connection gets as much a second as the line has, as on a real line without loss and with a
large enough window; and as there, the first byte of a connection waits a round trip longer, for TCP's handshake. Times
are those of epoll, up to 1 ms late. A server that can't be reached is a connection that is reset.

Two processes that contend for something on a server of this machine mostly wait for its cores, and show nothing of what
they wait for in a data centre: with a delay they wait for responses, as they do there.

`python -m tests.builders.fault_proxy PORT` prints the port on which it listens. Each line of its input is the JSON of a
line, and answered when it is in force. It ends with its input.
"""

import asyncio
import resource
import socket
import struct
import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.builders.http_bodies import BodyTracker
from tests.builders.line_faults import HEALTHY, Aim, FaultKind, Line, LineFault, OneDirection, from_text, to_text

_HOST = "127.0.0.1"
_ROOT = Path(__file__).parents[2]
_BACKLOG = 1024
_MOST_UNDER_WAY_BYTES = 64 << 20
# A capped line makes good what the clock was late, up to this.
_MOST_LATE_S = 0.02
# On, and no seconds (socket(7), SO_LINGER): a close discards what is not sent yet, and sends a RST.
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class FaultProxy:
    """The handle of a proxy in another process. One thread at a time may use it."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdin is not None and process.stdout is not None
        self.process_id = process.pid
        self._input, self._output = process.stdin, process.stdout
        self.port = int(self._output.readline())

    @property
    def address(self) -> str:
        return f"{_HOST}:{self.port}"

    def apply(self, line: Line) -> None:
        """Returns when it is in force, also for open connections. What is under way arrives as it would have."""
        self._input.write(to_text(line) + "\n")
        self._input.flush()
        if not self._output.readline():
            raise ConnectionError("the fault proxy has ended")


@contextmanager
def running(upstream_port: int, line: Line = HEALTHY) -> Iterator[FaultProxy]:
    """A proxy in front of the server at this port of loopback, which need not be there yet."""
    command = [sys.executable, "-m", "tests.builders.fault_proxy", str(upstream_port)]
    with subprocess.Popen(command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            proxy = FaultProxy(process)
            proxy.apply(line)
            yield proxy
        finally:
            process.kill()


class _Direction:
    """What all connections have in common that send this way."""

    def __init__(self) -> None:
        self.way = OneDirection()
        self.changed = asyncio.Event()
        self._free_at_s = 0.0

    def apply(self, way: OneDirection) -> None:
        # A fault is compared by identity: one that is applied again begins again.
        self.way, changed, self.changed = way, self.changed, asyncio.Event()
        self._free_at_s = 0.0
        changed.set()

    async def sent(self, size_bytes: int) -> None:
        """Returns when the line has sent so much after what others wanted to send."""
        if self.way.bytes_per_s is not None:
            now_s = _now_s()
            self._free_at_s = max(self._free_at_s, now_s - _MOST_LATE_S) + size_bytes / self.way.bytes_per_s
            await asyncio.sleep(self._free_at_s - now_s)


class _UnderWay:
    """Pieces in order, with the time at which each is due; bounded by their bytes. `None` is the end of the stream."""

    def __init__(self) -> None:
        self._pieces: deque[tuple[float, memoryview | LineFault | None]] = deque()
        self._size_bytes = 0
        self._came, self._left = asyncio.Event(), asyncio.Event()

    async def put(self, due_s: float, piece: "memoryview | LineFault | None") -> None:
        while self._size_bytes > _MOST_UNDER_WAY_BYTES:
            self._left.clear()
            await self._left.wait()
        self._size_bytes += len(piece) if isinstance(piece, memoryview) else 0
        self._pieces.append((due_s, piece))
        self._came.set()

    async def next(self) -> "memoryview | LineFault | None":
        while not self._pieces:
            self._came.clear()
            await self._came.wait()
        due_s, piece = self._pieces.popleft()
        if (early_s := due_s - _now_s()) > 0:
            await asyncio.sleep(early_s)
        self._size_bytes -= len(piece) if isinstance(piece, memoryview) else 0
        self._left.set()
        return piece


class _Pipe:
    """One direction of one connection."""

    def __init__(
        self, source: socket.socket, target: socket.socket, direction: _Direction, open_s: float, bodies: BodyTracker
    ) -> None:
        self._source, self._target, self._direction = source, target, direction
        self._open_s, self._bodies = open_s, bodies
        self._under_way = _UnderWay()
        self._applied = direction.way
        self._current_aim = Aim(direction.way.fault)

    async def receive(self) -> None:
        """Until the source ends, or a fault ends the stream."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                piece = await loop.sock_recv(self._source, self._direction.way.piece_bytes)
            except ConnectionError:
                await self.audible()
                raise
            await self.audible()
            if not piece or not await self._carry(piece):
                break
        await self._under_way.put(self._due_s(), None)
        while piece:
            piece = await loop.sock_recv(self._source, 1 << 16)

    async def deliver(self) -> None:
        loop = asyncio.get_running_loop()
        while isinstance(piece := await self._under_way.next(), memoryview):
            await loop.sock_sendall(self._target, piece)
        if piece is not None:
            raise ConnectionResetError
        with suppress(OSError):
            self._target.shutdown(socket.SHUT_WR)

    async def audible(self) -> None:
        """Returns when a stall, if there is one, is over."""
        while self._aim().holds_all:
            await self._direction.changed.wait()

    async def _carry(self, received: bytes) -> bool:
        """Sends a piece, as far as a fault lets it; False if the fault ends the stream."""
        bodies, piece, at = self._bodies.feed(received), memoryview(received), 0
        while at < len(piece):
            aim = self._aim()
            end = min(len(piece), at + self._direction.way.piece_bytes)
            hit = aim.next_hit(at, end, bodies)
            if (end if hit is None else hit) > at:
                await self._send(piece[at : end if hit is None else hit])
            at = end if hit is None else hit
            if hit is None or aim.fault is None:
                continue
            match aim.fault.kind:
                case FaultKind.CORRUPT:
                    piece = _flipped(piece, hit)
                case FaultKind.STALL:
                    await self.audible()
                case FaultKind.TRUNCATE:
                    return False
                case FaultKind.RESET:
                    await self._under_way.put(self._due_s(), aim.fault)
        return True

    async def _send(self, piece: memoryview) -> None:
        await self._direction.sent(len(piece))
        await self._under_way.put(self._due_s(), piece)

    def _aim(self) -> Aim:
        if self._applied is not self._direction.way:
            self._applied = self._direction.way
            self._current_aim = Aim(self._applied.fault)
        return self._current_aim

    def _due_s(self) -> float:
        return max(_now_s(), self._open_s) + self._direction.way.delay_s


class _Proxy:
    def __init__(self, upstream_port: int) -> None:
        self._upstream_port = upstream_port
        self._requests, self._responses = _Direction(), _Direction()
        self._connections: set[asyncio.Task[None]] = set()

    def apply(self, line: Line) -> None:
        self._requests.apply(line.requests)
        self._responses.apply(line.responses)
        if self._resets_all():
            for connection in self._connections:
                connection.cancel()

    async def serve(self, listener: socket.socket) -> None:
        while True:
            client, _ = await asyncio.get_running_loop().sock_accept(listener)
            connection = asyncio.create_task(self._connected(client))
            self._connections.add(connection)
            connection.add_done_callback(self._connections.discard)

    def _resets_all(self) -> bool:
        at_once = LineFault(FaultKind.RESET)
        return at_once in (self._requests.way.fault, self._responses.way.fault)

    async def _connected(self, client: socket.socket) -> None:
        upstream = socket.socket()
        try:
            if self._resets_all():
                raise ConnectionResetError
            for each in (client, upstream):
                each.setblocking(False)
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await asyncio.get_running_loop().sock_connect(upstream, (_HOST, self._upstream_port))
            await self._both_ways(client, upstream)
        except (OSError, asyncio.CancelledError):
            for each in (client, upstream):
                _reset_on_close(each)
        finally:
            client.close()
            upstream.close()

    async def _both_ways(self, client: socket.socket, upstream: socket.socket) -> None:
        """Until both have ended. An error of one end is one of the other's too, unless the line is silent that way."""
        methods: deque[bytes] = deque()
        open_s = _now_s() + self._requests.way.delay_s + self._responses.way.delay_s
        requests = _Pipe(client, upstream, self._requests, open_s, BodyTracker(methods))
        responses = _Pipe(upstream, client, self._responses, open_s, BodyTracker(methods))
        try:
            async with asyncio.TaskGroup() as all_four:
                for pipe in (requests, responses):
                    all_four.create_task(pipe.receive())
                    all_four.create_task(pipe.deliver())
        except* OSError:
            await asyncio.gather(_reset(client, responses), _reset(upstream, requests))


async def _reset(end: socket.socket, pipe: _Pipe) -> None:
    """When what is sent to this end arrives there."""
    await pipe.audible()
    _reset_on_close(end)
    end.close()


def _reset_on_close(end: socket.socket) -> None:
    with suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)


def _flipped(piece: memoryview, at: int) -> memoryview:
    changed = bytearray(piece)
    changed[at] ^= 1 << at % 8
    return memoryview(changed)


def _now_s() -> float:
    return asyncio.get_running_loop().time()


async def _main(upstream_port: int) -> None:
    _, most_files = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most_files, most_files))
    proxy = _Proxy(upstream_port)
    with socket.create_server((_HOST, 0), backlog=_BACKLOG) as listener:
        listener.setblocking(False)
        sys.stdout.write(f"{listener.getsockname()[1]}\n")
        sys.stdout.flush()
        serving = asyncio.create_task(proxy.serve(listener))
        while text := await asyncio.to_thread(sys.stdin.readline):
            proxy.apply(from_text(text))
            sys.stdout.write("in force\n")
            sys.stdout.flush()
        serving.cancel()


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1])))
