"""The target of a request, as it is sent: what a server signs must be what the other one receives."""

import urllib3


def request_target(url: str) -> str:
    """Path and query for a URL, exactly as urllib3 sends them.

    It writes escapes in upper case, escapes what may not stand in a URI, and takes out dot segments.
    """
    return urllib3.util.parse_url(url).request_uri
