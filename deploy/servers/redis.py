"""Redis 7: the `redis-server` on the path, or Debian's package."""

import os
import shutil
from pathlib import Path

from deploy.servers.maven import run
from deploy.servers.process import ServerError, Start

NAME = "redis"


def install(root: Path) -> None:
    if shutil.which("redis-server"):
        return
    if not shutil.which("apt-get") or os.geteuid() != 0:
        raise ServerError("redis-server is not on the path: install it (on Debian, `apt-get install redis-server`)")
    run(["apt-get", "update", "-qq"], root)
    run(["apt-get", "install", "-y", "-qq", "redis-server"], root, DEBIAN_FRONTEND="noninteractive")


def start(root: Path, folder: Path, port: int) -> Start:
    command = [
        "redis-server",
        *("--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder)),
        *("--appendonly", "yes", "--save", "", "--maxmemory", "256mb", "--maxmemory-policy", "allkeys-lru"),
    ]
    return Start(NAME, f"127.0.0.1:{port}", command, lambda: _answers(port))


def _answers(port: int) -> bool:
    import redis

    with redis.Redis(port=port, socket_timeout=2) as client:
        return bool(client.ping())
