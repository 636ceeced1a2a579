"""The Python client of the public API, and the users' commands that are built on it.

Takes a user's files and requests, and sends HTTP requests to an edge. Writes only the profiles in the `--data` folder.
Read client, http, keyring, transfer, then profiles and the commands.
"""

# The same class as `darkroom.Client`, which is the public name.
from darkroom.client.client import Client as Client
