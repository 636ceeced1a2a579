"""What people run: the `darkroom` command, the Python client, the one-machine launcher and the web page.

Takes a user's files and commands, and sends requests to an edge. Writes only the `--data` folder: the profiles of
users who signed up here, and the launcher's files. Only the operators' commands open stores. Read cli first, then
client, local, processes, operate, demo, and web (the page that every edge serves).

`from darkroom import Client` is the public library. It needs only the base installation; `installation` says what else
there is.
"""

import importlib
from typing import TYPE_CHECKING, Any

__all__ = ["Client", "ClientError", "OtherFile", "PhotoRejected", "Unreachable", "UploadInterrupted"]

if TYPE_CHECKING:
    from darkroom.client.client import Client, ClientError, OtherFile, PhotoRejected, Unreachable, UploadInterrupted
else:
    # A type checker does not see this function, so it reports names that do not exist.
    def __getattr__(name: str) -> Any:
        """Imports the client when it is first used (PEP 562): it loads ssl, which gevent must patch first."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(importlib.import_module("darkroom.client.client"), name)
