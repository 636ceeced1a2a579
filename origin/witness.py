"""A witness: holds no data, and confirms statements, so that two regions and it have a majority of three.

It asks the regions as an origin does, and keeps what they hold on its own disk, which is its settings.
"""

import atexit
import logging
import threading

import falcon

from origin import problems
from origin.border.statements import StatementResource
from origin.node_gate import NodeGate
from regions import daemon
from regions.clock import now_ms, now_s
from regions.config import Config
from regions.errors import NotFound
from regions.node_tokens import NodeSigner
from regions.region_client import RegionClient
from regions.residency import reports
from regions.residency.live import LiveRules
from regions.residency.peers import Peers, StatementClient
from regions.residency.statement import Purpose
from regions.residency.statement_folder import StatementFolder

log = logging.getLogger(__name__)

_EVERY_S = 1.0


class DiskStatement:
    """What the settings are to a region, the disk is to a witness: it confirms what is there."""

    def __init__(self, folder: StatementFolder, rules: LiveRules) -> None:
        self._folder, self._rules = folder, rules

    def run_once(self) -> None:
        """A disk that takes nothing confirms nothing."""
        asked_s, highest = self._rules.clock_s(), self._rules.highest
        try:
            if highest is not None:
                self._folder.keep(highest)
        except OSError as error:
            log.error("ALARM: the disk keeps no statement", extra={"error": str(error)})
            return
        self._rules.settings_hold(highest, asked_s)

    def run_forever(self, stop: threading.Event) -> None:
        daemon.run_forever(self.run_once, _EVERY_S, stop, "statement on the disk", at_once=True)


class HealthOfWitness:
    def __init__(self, rules: LiveRules) -> None:
        self._rules = rules

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        in_force = self._rules.current().in_force
        response.media = {"witness": self._rules.region, "statement": in_force.serial if in_force else 0}


def create(rules: LiveRules) -> falcon.App[falcon.Request, falcon.Response]:
    """The routes."""
    app: falcon.App[falcon.Request, falcon.Response] = falcon.App()
    problems.install(app)
    statement = StatementResource(NodeGate(rules.region, rules, now_ms), rules, _no_history)
    app.add_route("/health", HealthOfWitness(rules))
    app.add_route(reports.PATH, statement)
    app.add_route(reports.PATH + "/{hash}", statement, suffix="signed")
    return app


def open_app(config: Config, name: str) -> falcon.App[falcon.Request, falcon.Response]:
    """The witness `name`, with its loops on threads of their own until this process ends."""
    folder = config.statement_folder(name)
    rules = LiveRules(name, folder, config.signers())

    def listed() -> dict[str, str]:
        return rules.current().public_keys(name, Purpose.NODE)

    signer = NodeSigner(name, config.private_keys(name, Purpose.NODE), listed, now_s)
    origins = {region.name: region.origin for region in config.topology.regions.values()}
    peers = Peers(rules, StatementClient(RegionClient(signer)), origins)
    stop = threading.Event()
    for loop in (DiskStatement(folder, rules), peers):
        threading.Thread(target=loop.run_forever, args=[stop], daemon=True, name=type(loop).__name__).start()
    atexit.register(stop.set)
    return create(rules)


def _no_history(hash: str) -> str:
    raise NotFound("a witness keeps only the statements that matter now")
