"""What is installed: the base alone, which is enough for the client, or the extra `service` as well.

Imports only the standard library, because `darkroom run` asks before gevent has patched it.
"""

from importlib.util import find_spec

from darkroom.command_error import CommandError

SERVICE = (
    "PIL",
    "argon2",
    "cachetools",
    "cryptography",
    "cykooz_resizer",
    "dask",
    "distributed",
    "falcon",
    "gevent",
    "imagehash",
    "jwt",
    "numpy",
    "pillow_heif",
    "pyvips",
    "simplejpeg",
    "waitress",
    "yaml",
)
"""The modules of the extra `service` that our code imports."""


def require_service(command: str) -> None:
    """Raises CommandError if the extra `service` is not, or only partly, installed. Imports none of its modules."""
    missing = next((name for name in SERVICE if find_spec(name) is None), None)
    if missing:
        raise CommandError(
            f"`darkroom {command}` needs the extra `service`, but its module {missing} is not installed.",
            "Install it: pip install 'darkroom[service]'",
        )
