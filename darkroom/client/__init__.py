"""The Python client of the public API, and the users' commands that are built on it.

In come a user's files and requests; HTTP requests go out to an edge. Writes only the profiles in the `--data` folder.
Read client, http, transfer, then profiles and commands.
"""

# The one re-export in the house: `from darkroom.client import Client` is the face of the public library.
from darkroom.client.client import Client as Client
