"""A connection on which answers get lost: the request arrives and is carried out, and nobody hears of it."""

import select
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

_CHUNK_BYTES = 64 * 1024
_CONNECT_S = 10


@contextmanager
def lossy_link(url: str, loses: Callable[[], bool]) -> Iterator[str]:
    """The URL of a way to the server at `url`. `loses()` says of each answer whether it gets lost."""
    parts = urlsplit(url)
    address = str(parts.hostname), int(parts.port or 0)

    class Pipe(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with suppress(OSError), socket.create_connection(address, _CONNECT_S) as server:
                _carry(self.request, server, loses)

    class Listener(socketserver.ThreadingTCPServer):
        daemon_threads, block_on_close, request_queue_size = True, False, 64

    with Listener(("127.0.0.1", 0), Pipe) as listener:
        thread = threading.Thread(target=listener.serve_forever, args=[0.05])
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.server_address[1]}"
        finally:
            listener.shutdown()
            thread.join()


def _carry(client: socket.socket, server: socket.socket, loses: Callable[[], bool]) -> None:
    """Until one of the two closes, or an answer gets lost: then with the first bytes of it."""
    awaited = False
    while True:
        readable, _, _ = select.select([client, server], [], [])
        for source in readable:
            if not (data := source.recv(_CHUNK_BYTES)):
                return
            if source is server and awaited and loses():
                return
            awaited = source is client
            (server if source is client else client).sendall(data)
