"""What an origin answers to those who follow its statement, without the rest of an origin."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from regions.residency import reports
from regions.residency.exchange import Report
from regions.residency.statement import Statement


class ReportServer:
    """For `region`. `statement` is held and in force; None: it answers 503. Close it at the end."""

    def __init__(self, region: str) -> None:
        self.region = region
        self.statement: Statement | None = None
        handler = type("BoundReports", (_Handler,), {"reports": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    @property
    def port(self) -> int:
        return self._server.server_address[1]

    def answer(self, path: str) -> Any:
        if self.statement is None:
            return None
        if path.endswith(self.statement.hash):
            return {"signed": self.statement.signed}
        held = self.statement
        return reports.to_document(Report(self.region, held.serial, held.hash, held.hash, 0.0, 60.0))

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    reports: ReportServer

    def do_GET(self) -> None:
        answer = self.reports.answer(self.path)
        body = json.dumps(answer).encode()
        self.send_response(503 if answer is None else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        pass
