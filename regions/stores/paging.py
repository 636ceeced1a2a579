"""Where a page of a list starts. Pure.

A list is sorted by id, highest first. A client names the last id that it has seen, and the next page holds the ids
below it. A walk over all followers goes the other way.
"""

from regions.errors import BadRequest


def exclusive_upper_bound(before: str | None) -> str:
    """The text that all ids of the page sort below; with None the page starts at the highest id.

    `before` comes from a client and may be any text. Half a surrogate pair can't be encoded as UTF-8, so that a store
    would raise on it: it becomes `?`.
    """
    # Ids are ASCII letters, digits and `_`, which all sort below `~`.
    return "~" if before is None else before.encode(errors="replace").decode()


def exclusive_lower_bound(after: str | None) -> str:
    """The text that all ids of the page sort above; with None the page starts at the lowest id. Raises BadRequest."""
    text = after or ""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise BadRequest("this is not the cursor of a list of ids") from error
    return text
