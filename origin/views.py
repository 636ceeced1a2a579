"""The JSON documents of the API, made from records. Pure.

A field of a record that is not named here never leaves the origin.
"""

from typing import Any

from regions.image_limits import VARIANT_SIZES
from regions.records import Comment, Photo, PhotoSummary, User, rfc3339, to_json
from regions.variant_names import variant_name


def photo(record: Photo, edge_url: str) -> dict[str, Any]:
    """As in a list, and why it is `failed` or `rejected`."""
    view = listed_photo(record.summary(), edge_url)
    if record.reason is not None:
        view["reason"] = {"code": record.reason.code, "detail": record.reason.detail}
    return view


def own_photo(record: Photo, edge_url: str) -> dict[str, Any]:
    """For its owner alone: also what the camera wrote into the file, where that was, and what looks the same."""
    return photo(record, edge_url) | {
        "content_type": record.content_type,
        "taken_at": record.taken_at,
        "camera": record.camera,
        "location": to_json(record.location) if record.location else None,
        "near_duplicate_of": record.near_duplicate_of,
    }


def listed_photo(record: PhotoSummary, edge_url: str) -> dict[str, Any]:
    view: dict[str, Any] = {
        "id": record.photo_id,
        "owner": record.owner_id,
        "caption": record.caption,
        "status": record.status,
        "created_at": rfc3339(record.created_at_ms),
        "width": record.width,
        "height": record.height,
        "placeholder": record.placeholder,
        "variants": {},
    }
    if record.is_public:
        view["variants"] = {
            str(size): f"{edge_url}/p/{record.photo_id}/{variant_name(size, record.recipe, 'jpg')}"
            for size in VARIANT_SIZES
        }
    return view


def user(record: User) -> dict[str, Any]:
    return {
        "id": record.user_id,
        "handle": f"{record.handle}@{record.home_region}" if record.handle else None,
        "name": record.name,
        "home_region": record.home_region,
        "created_at": rfc3339(record.created_at_ms),
    }


def comment(record: Comment) -> dict[str, Any]:
    return {
        "id": record.comment_id,
        "author": record.author_id,
        "text": record.text,
        "created_at": rfc3339(record.created_at_ms),
    }


def listing(items: list[Any], limit: int, cursors: list[str]) -> dict[str, Any]:
    """One page of a list. `next` is the cursor to send as `before`, or None on the last page.

    `cursors` are the ids that were read for this page, also of items that may not be shown. So a page without a visible
    item still has a `next`.
    """
    return {"items": items, "next": cursors[-1] if len(cursors) == limit else None}
