"""For what works for regions beside their origins: asks each origin, each second, for the region's report."""

import logging
import threading
from collections.abc import Mapping

from regions import daemon
from regions.errors import Problem, StatementError
from regions.residency.live import FollowedRules
from regions.residency.peers import StatementClient

log = logging.getLogger(__name__)

_EVERY_S = 1.0


class FollowingLoop:
    """`origins` are URLs by region. Run `run_forever` of each region on a thread of its own."""

    def __init__(self, rules: FollowedRules, client: StatementClient, origins: Mapping[str, str]) -> None:
        self._rules, self._client, self._origins = rules, client, origins
        self._failing: set[str] = set()

    def ask_once(self, region: str) -> None:
        """Raises Problem if the origin did not answer, StatementError if it sent a statement that is none."""
        url, asked_s = self._origins[region], self._rules.clock_s()
        report = self._client.report(region, url)
        self._rules.hear(report, asked_s, lambda hash: self._client.signed(region, url, hash))

    def run_forever(self, region: str, stop: threading.Event) -> None:
        daemon.run_forever(lambda: self._ask(region), _EVERY_S, stop, "statement", at_once=True)

    def _ask(self, region: str) -> None:
        try:
            self.ask_once(region)
            self._failing.discard(region)
        except (Problem, StatementError) as error:
            if region not in self._failing:
                log.warning("an origin does not answer for its statement", extra={"of": region, "error": str(error)})
            self._failing.add(region)
