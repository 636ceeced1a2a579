"""Consul 1.22, built from source with Go: one server, which elects itself."""

import urllib.request
from pathlib import Path

from deploy.servers.maven import run
from deploy.servers.process import Start, free_port

NAME = "consul"
# The authors retracted the two excluded versions; they do not build.
_GO_MOD = """module darkroom/consul

go 1.26

require github.com/hashicorp/consul v1.22.5

exclude (
	github.com/hashicorp/go-msgpack v1.1.5
	github.com/hashicorp/go-msgpack v1.1.6
)
"""


def install(root: Path) -> None:
    folder = root / NAME
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "go.mod").write_text(_GO_MOD)
    binary = root / "bin" / NAME
    run(["go", "build", "-o", str(binary), "github.com/hashicorp/consul"], folder, GOFLAGS="-mod=mod")


def start(root: Path, folder: Path, port: int) -> Start:
    serf_lan, serf_wan, server = free_port(), free_port(), free_port()
    command = [
        str(root / "bin" / NAME),
        "agent",
        "-server",
        "-bootstrap-expect=1",
        "-node=darkroom",
        "-client=127.0.0.1",
        "-bind=127.0.0.1",
        f"-data-dir={folder}/data",
        f"-http-port={port}",
        f"-serf-lan-port={serf_lan}",
        f"-serf-wan-port={serf_wan}",
        f"-server-port={server}",
        "-grpc-port=-1",
        "-grpc-tls-port=-1",
        "-dns-port=-1",
        "-log-level=warn",
        "-disable-host-node-id",
        # Elect itself as fast as possible.
        "-hcl=performance { raft_multiplier = 1 }",
        "-hcl=leave_on_terminate = false",
        "-hcl=disable_update_check = true",
    ]
    return Start(NAME, f"127.0.0.1:{port}", command, lambda: _answers(port))


def _answers(port: int) -> bool:
    url = f"http://127.0.0.1:{port}/v1/kv/?keys&consistent"
    try:
        urllib.request.urlopen(url, timeout=2).close()
    except urllib.error.HTTPError as error:
        return error.code == 404
    return True
