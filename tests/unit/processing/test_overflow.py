"""A flood of one owner: what is beyond a limit goes to a topic of its own."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from processing.dispatcher import NeedsLargeWorker
from processing.overflow import MOST_OF_ONE_OWNER, Overflow
from regions.events import messages
from regions.events.topics import PHOTOS_DEFERRED


def test_the_events_of_an_owner_with_too_many_under_way_are_deferred(room):
    """Only the further ones, and nobody else's. They are published before their handling ends, and so committed."""
    handled, go_on = [], asyncio.Event()

    async def handle(event) -> None:
        handled.append(event.body["owner_id"])
        await go_on.wait()

    async def scenario() -> None:
        with ThreadPoolExecutor(1) as threads:
            overflow = Overflow(room.stores.events, handle, threads)
            flood = [event(room, "u_flood", number) for number in range(MOST_OF_ONE_OWNER + 3)]
            tasks = [asyncio.create_task(overflow.handle(one)) for one in flood]
            await asyncio.gather(*tasks[MOST_OF_ONE_OWNER:])
            other = asyncio.create_task(overflow.handle(event(room, "u_other", 1_000)))
            go_on.set()
            await asyncio.gather(*tasks, other)
            await overflow.handle(event(room, "u_flood", 2_000))

    asyncio.run(scenario())
    assert handled == ["u_flood"] * MOST_OF_ONE_OWNER + ["u_other", "u_flood"]
    assert sorted(deferred(room)) == sorted(f"p_{MOST_OF_ONE_OWNER + number}" for number in range(3))


def test_a_photo_that_needs_a_large_worker_is_deferred(room):
    """It may wait there for long; the window of fresh photos stays free."""

    async def handle(event) -> None:
        raise NeedsLargeWorker

    async def scenario() -> None:
        with ThreadPoolExecutor(1) as threads:
            await Overflow(room.stores.events, handle, threads).handle(event(room, "u_ana", 7))

    asyncio.run(scenario())
    assert deferred(room) == ["p_7"]


def event(room, owner_id: str, number: int) -> messages.Event:
    body = {"photo_id": f"p_{number}", "owner_id": owner_id, "created_at_ms": room.clock_ms}
    return messages.Event("photos_uploaded", f"p_{number}", f"photos_uploaded:{number}", room.clock_ms, body)


def deferred(room) -> list[str]:
    consumer = room.stores.events.consumer(PHOTOS_DEFERRED, "test", "test")
    return [delivery.event.key for delivery in consumer.poll(10, 0.0)]
