"""The other regions, asked each second which statement they hold. Each has a thread of its own: one that is frozen or
slow delays what is heard of no other.
"""

import json
import logging
import random
import threading
from collections.abc import Mapping

from regions import daemon
from regions.errors import BadGateway, Problem, StatementError
from regions.region_client import RegionClient, RegionRequest
from regions.residency import reports
from regions.residency.chain import Links
from regions.residency.chain_pauses import ChainPauses
from regions.residency.exchange import Report
from regions.residency.live import LiveRules
from regions.residency.signatures import MAX_CHARS

log = logging.getLogger(__name__)

_EVERY_S = 1.0
_ANSWER_S = 2.0
_MAX_REPLY_BYTES = 4 * MAX_CHARS


class StatementClient:
    """Asks servers for reports and statements."""

    def __init__(self, client: RegionClient) -> None:
        self._client = client

    def report(self, name: str, url: str) -> Report:
        """What the region `name` answers at its origin's URL. Raises BadGateway, Unavailable."""
        return reports.from_document(self._get(name, url, reports.PATH), name)

    def signed(self, name: str, url: str, hash: str) -> str:
        """The signed text of a statement that the region has. Raises BadGateway, Unavailable."""
        document = self._get(name, url, f"{reports.PATH}/{hash}")
        if not isinstance(document, dict) or not isinstance(document.get("signed"), str):
            raise BadGateway(f"{name} sent no statement")
        return str(document["signed"])

    def _get(self, name: str, url: str, path: str) -> object:
        reply = self._client.poll(RegionRequest(name, url, "GET", path, max_bytes=_MAX_REPLY_BYTES), _ANSWER_S)
        if reply.status != 200:
            raise BadGateway(f"{name} answered {reply.status}")
        try:
            return json.loads(reply.body)
        except (ValueError, RecursionError) as error:
            raise BadGateway(f"{name} sent no JSON") from error


class Peers:
    """Runs the exchange of this process with all other regions and witnesses that the newest statement lists.

    Before there is any statement, `known_urls` says whom to ask, by region.
    """

    def __init__(self, rules: LiveRules, client: StatementClient, known_urls: Mapping[str, str]) -> None:
        self._rules, self._client, self._known_urls = rules, client, known_urls
        self._pauses = ChainPauses(rules.clock_s, random.random)
        self._threads: dict[str, threading.Thread] = {}

    def ask_once(self, name: str) -> None:
        """Raises Problem if the region did not answer, StatementError if it sent a statement that is none."""
        url = self._url(name)
        asked_s = self._rules.clock_s()
        report = self._client.report(name, url)
        if self._rules.needs(report):
            try:
                self._take(report, Links(lambda hash: self._client.signed(name, url, hash)))
            except (Problem, StatementError):
                # If it is known, and only some before it are not, another region may have these.
                if self._rules.signed(report.hash) is None:
                    raise
        self._rules.hear(report, asked_s)

    def _take(self, report: Report, links: Links) -> None:
        with self._pauses.following(report.region, links):
            self._rules.take(links(report.hash), links)
            if self._rules.needs(report):
                raise StatementError("what leads to its statement is not to be had")

    def run_forever(self, stop: threading.Event) -> None:
        """A thread for each region that is listed; one that is listed no longer ends its own."""
        daemon.run_forever(lambda: self._start_threads(stop), _EVERY_S, stop, "statement exchange", at_once=True)

    def names(self) -> list[str]:
        """Also those whom only the statement in force still lists: its majority counts until then."""
        statements = self._rules.current().statements
        listed = set().union(*(one.voters for one in statements)) if statements else set(self._known_urls)
        return sorted(listed - {self._rules.region})

    def _start_threads(self, stop: threading.Event) -> None:
        for name in self.names():
            if name not in self._threads or not self._threads[name].is_alive():
                self._threads[name] = threading.Thread(
                    target=self._ask_forever, args=[name, stop], daemon=True, name=f"exchange with {name}"
                )
                self._threads[name].start()

    def _ask_forever(self, name: str, stop: threading.Event) -> None:
        failing = False
        while name in self.names():
            try:
                self.ask_once(name)
                failing = False
            except (Problem, StatementError) as error:
                if not failing:
                    log.warning("a region does not answer for its statement", extra={"of": name, "error": str(error)})
                failing = True
            except Exception:  # whatever a hostile region sends must not end this thread
                log.exception("the exchange with a region failed", extra={"of": name})
            if stop.wait(_EVERY_S):
                return

    def _url(self, name: str) -> str:
        listed = [one.places[name].url for one in self._rules.current().statements if name in one.places]
        return listed[-1] if listed else self._known_urls[name]
