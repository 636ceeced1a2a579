"""Photos: get, delete, like and comment. Likes and comments are stored in the photo's home region."""

import falcon

from origin import fields, repeats, views
from origin.context import Context
from origin.processing_estimate import ProcessingEstimate
from origin.residency_guard import ResidencyGuard
from regions import ids
from regions.border.kinds import COMMENT, LIKE
from regions.errors import Conflict, Forbidden, NotFound, Unauthenticated
from regions.events.messages import Event, record_changed
from regions.photo_deletion import PhotoDeletion
from regions.records import Comment, Photo, Status
from regions.user_tokens import AccessToken


class PhotosResource:
    def __init__(self, context: Context, guard: ResidencyGuard) -> None:
        self._context, self._guard = context, guard
        self._catalog = context.stores.catalog
        self._deletion = PhotoDeletion(self._catalog, context.stores.objects, context.outbox, context.clock_ms)
        self._estimate = ProcessingEstimate(context.stores.settings.values, context.clock_ms)

    def on_get(self, request: falcon.Request, response: falcon.Response, photo_id: str) -> None:
        photo = self._find_visible(request, photo_id)
        show = views.own_photo if self._is_owner(request, photo) else views.photo
        view = show(photo, self._context.edge_url(self._context.nodes.requester(request)))
        if photo.status is Status.PROCESSING and (ready_in_s := self._estimate.ready_in_s()) is not None:
            view["ready_in_s"] = ready_in_s
        if original := view.get("near_duplicate_of"):
            # The record keeps it; by now the original may have been deleted.
            view["near_duplicate_of"] = original if self._catalog.photos.get(original) else None
        response.media = view

    def on_delete(self, request: falcon.Request, response: falcon.Response, photo_id: str) -> None:
        """Idempotent for the owner: the tombstone keeps the owner's id. For others a deleted photo is not found."""
        self._context.require_home(ids.PHOTO, photo_id)
        user_id = self._context.user_id(request)
        photo = self._catalog.photos.get(photo_id)
        if photo is None:
            tombstone = self._catalog.tombstones.get(photo_id)
            if tombstone is None or tombstone.owner_id != user_id:
                raise _not_found(photo_id)
        elif photo.owner_id == user_id:
            self._deletion.delete(photo)
        elif photo.is_public:
            raise Forbidden("the photo is another user's")
        else:
            raise _not_found(photo_id)
        response.status = falcon.HTTP_204

    def on_put_like(self, request: falcon.Request, response: falcon.Response, photo_id: str) -> None:
        token = self._context.access_token(request)
        self._context.limiter.take(request, response, user=token.user_id)
        self._require_public(request, photo_id)
        self._require_say(token)
        now_ms = self._context.clock_ms()
        self._catalog.likes.add(photo_id, token.user_id, now_ms)
        self._context.outbox.publish_now(_like_changed(photo_id, token, now_ms))
        response.status = falcon.HTTP_204

    def on_delete_like(self, request: falcon.Request, response: falcon.Response, photo_id: str) -> None:
        """Always: who may not see the photo here any more, or anywhere, may still take back their like."""
        self._context.require_home(ids.PHOTO, photo_id)
        token = self._context.access_token(request)
        self._context.limiter.take(request, response, user=token.user_id)
        event = _like_changed(photo_id, token, self._context.clock_ms())
        self._catalog.likes.remove(photo_id, token.user_id, event)
        self._context.outbox.publish(event)
        response.status = falcon.HTTP_204

    def on_get_likes(self, request: falcon.Request, response: falcon.Response, photo_id: str) -> None:
        self._find_visible(request, photo_id)
        before, limit = fields.page(request, ids.USER)
        user_ids = self._catalog.likes.page(photo_id, before, limit)
        response.media = views.listing(user_ids, limit, user_ids)

    def on_post_comments(self, request: falcon.Request, response: falcon.Response, photo_id: str) -> None:
        token = self._context.access_token(request)
        text = fields.text(fields.body(request), "text", 2000, lines=True)
        self._context.limiter.take(request, response, user=token.user_id)
        self._require_public(request, photo_id)
        self._require_say(token)
        made = self._context.new_id(ids.COMMENT)
        comment_id = repeats.first(self._context, request, token.user_id, made)
        comment = self._catalog.comments.get(photo_id, comment_id) if comment_id != made else None
        if comment is None:
            now_ms = self._context.clock_ms()
            comment = Comment(comment_id, photo_id, token.user_id, text, now_ms, token.residency_class)
            self._catalog.comments.add(comment)
        self._context.outbox.publish_now(self._comment_changed(comment))
        response.status = falcon.HTTP_201
        response.media = views.comment(comment)

    def on_get_comments(self, request: falcon.Request, response: falcon.Response, photo_id: str) -> None:
        self._find_visible(request, photo_id)
        before, limit = fields.page(request, ids.COMMENT)
        comments = self._catalog.comments.page(photo_id, before, limit)
        cursors = [comment.comment_id for comment in comments]
        response.media = views.listing([views.comment(comment) for comment in comments], limit, cursors)

    def on_delete_comment(
        self, request: falcon.Request, response: falcon.Response, photo_id: str, comment_id: str
    ) -> None:
        """For the comment's author and the photo's owner, wherever they are, as for a like. Idempotent for the owner.

        Others learn what is wrong if they see the photo.
        """
        user_id = self._context.user_id(request)
        self._context.require_home(ids.PHOTO, photo_id)
        ids.parse(ids.COMMENT, comment_id)
        comment, photo = self._catalog.comments.get(photo_id, comment_id), self._catalog.photos.get(photo_id)
        is_own = (comment is not None and comment.author_id == user_id) or (photo and photo.owner_id == user_id)
        if not is_own:
            self._find_visible(request, photo_id)
            if comment is None:
                raise NotFound(f"there is no comment {comment_id}")
            raise Forbidden("the comment is another user's, and so is the photo")
        event = self._comment_changed(comment) if comment else None
        self._catalog.comments.remove(photo_id, comment_id, event)
        if event:
            self._context.outbox.publish(event)
        response.status = falcon.HTTP_204

    def _comment_changed(self, comment: Comment) -> Event:
        author_id, its_class, now_ms = comment.author_id, comment.residency_class, self._context.clock_ms()
        return record_changed(COMMENT, comment.photo_id, comment.comment_id, author_id, its_class, now_ms)

    def _require_say(self, token: AccessToken) -> None:
        """What somebody says comes to rest here, at the photo's home. Raises ResidencyDenied, Unavailable."""
        here = self._context.region.name
        self._guard.require_say(token.user_id, token.residency_class, token.home_region, here)

    def _find_visible(self, request: falcon.Request, photo_id: str) -> Photo:
        """Raises NotFound also if the photo is not public and the request is not its owner's; ResidencyDenied."""
        self._context.require_home(ids.PHOTO, photo_id)
        photo = self._catalog.photos.get(photo_id)
        if photo is None or not (photo.is_public or self._is_owner(request, photo)):
            raise _not_found(photo_id)
        self._guard.require(photo, self._context.nodes.requester(request))
        return photo

    def _require_public(self, request: falcon.Request, photo_id: str) -> None:
        photo = self._find_visible(request, photo_id)
        if not photo.is_public:
            raise Conflict(
                f"only its owner sees the photo so far (status {photo.status}, visibility {photo.visibility})"
            )

    def _is_owner(self, request: falcon.Request, photo: Photo) -> bool:
        try:
            return self._context.user_id(request) == photo.owner_id
        except (Unauthenticated, Forbidden):
            # A token that is not for reading shows what nobody's shows, and no less.
            return False


def _like_changed(photo_id: str, token: AccessToken, at_ms: int) -> Event:
    return record_changed(LIKE, photo_id, token.user_id, token.user_id, token.residency_class, at_ms)


def _not_found(photo_id: str) -> NotFound:
    return NotFound(f"there is no photo {photo_id}")
