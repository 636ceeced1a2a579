"""versitygw 1.8, an S3 gateway over a directory, built with Go.

Each region of the one machine has a user of its own, called like it, who may open the buckets that it made and no
others. `access.log` of the folder has a line for each request: of which bucket, and whose it was.
"""

import importlib.resources
import json
import secrets
import tomllib
from collections.abc import Mapping
from pathlib import Path

from deploy.servers.maven import run
from deploy.servers.process import Start

NAME = "versitygw"
ACCESS_LOG = "access.log"
_USERS = "users"


def install(root: Path) -> None:
    bin_folder = root / "bin"
    bin_folder.mkdir(parents=True, exist_ok=True)
    run(["go", "install", "github.com/versity/versitygw/cmd/versitygw@v1.8.0"], root, GOBIN=str(bin_folder))


def start(root: Path, folder: Path, port: int) -> Start:
    """The root user's access key is `darkroom`; its secret is in the file `secret` of the folder."""

    def prepare() -> None:
        (folder / "data").mkdir(exist_ok=True)
        _release_claims(folder / "data")
        users(folder)

    command = [str(root / "bin" / NAME), "--port", f"127.0.0.1:{port}", "--iam-dir", str(folder / _USERS)]
    command += ["--access-log", str(folder / ACCESS_LOG), "posix", str(folder / "data")]
    environment = {"ROOT_ACCESS_KEY": "darkroom", "ROOT_SECRET_KEY": secret(folder)}
    address = f"http://127.0.0.1:{port}"
    return Start(NAME, address, command, lambda: _answers(address, folder), environment, prepare)


def _release_claims(data: Path) -> None:
    """Makes uploads usable again that were being completed when the gateway was killed.

    To complete an upload, versitygw 1.8 renames its folder from `{id}` to `{id}.{etag}.inprogress`. After a kill
    nothing renames it back, and each further attempt gets a success although there is no object. No gateway runs on
    the folder when this is called, so nothing is being completed.
    """
    for claimed in data.glob("*/.sgwtmp/multipart/*/*.inprogress"):
        claimed.rename(claimed.with_name(claimed.name.partition(".")[0]))


def secret(folder: Path) -> str:
    path = folder / "secret"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        path.touch(0o600)
        path.write_text(secrets.token_hex(20))
    return path.read_text()


def users(folder: Path) -> Mapping[str, str]:
    """The secret of each region's user. Made when they are first asked for, in the form of versitygw's own file."""
    path = folder / _USERS / "users.json"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(0o600)
        accounts = {region: _account(region) for region in _regions()}
        path.write_text(json.dumps({"accessAccounts": accounts}))
    return {name: one["secret"] for name, one in json.loads(path.read_text())["accessAccounts"].items()}


def _account(region: str) -> Mapping[str, str | int]:
    """`userplus` may make buckets, unlike a `user`, and reaches those of others no more than one."""
    numbers = {"userID": 0, "groupID": 0, "projectID": 0}
    return {"access": region, "secret": secrets.token_hex(20), "role": "userplus", **numbers}


def _regions() -> list[str]:
    text = importlib.resources.files("deploy").joinpath("one_machine.toml").read_text()
    return list(tomllib.loads(text)["regions"])


def _answers(address: str, folder: Path) -> bool:
    import boto3

    client = boto3.client(
        "s3",
        endpoint_url=address,
        aws_access_key_id="darkroom",
        aws_secret_access_key=secret(folder),
        region_name="us-east-1",
    )
    return "Buckets" in client.list_buckets()
