"""Many small calls as a few larger ones: who gets which result, and when."""

import asyncio

import pytest

from regions.batches import Batches
from regions.errors import Unavailable

EVERY_S = 0.02


def run(flush, scenario):
    async def started():
        return await scenario(Batches(flush, EVERY_S))

    return asyncio.run(started())


def test_the_first_goes_at_once_and_those_that_follow_go_together():
    """So one that is alone waits for nobody."""
    flushed = []

    async def double(items) -> None:
        flushed.append([waiting.item for waiting in items])
        for waiting in items:
            waiting.resolve(2 * waiting.item)

    async def scenario(batches):
        first = await batches.put(1)
        assert flushed == [[1]]
        return [first, *await asyncio.gather(*(batches.put(number) for number in range(2, 6)))]

    assert run(double, scenario) == [2, 4, 6, 8, 10]
    assert flushed == [[1], [2, 3, 4, 5]]


def test_a_batch_that_fails_lets_its_callers_try_again():
    """The next batch is another."""
    errors = iter([OSError("no network")])

    async def fail_once(items) -> None:
        for error in errors:
            raise error
        for waiting in items:
            waiting.resolve(None)

    async def scenario(batches):
        with pytest.raises(Unavailable, match="no network"):
            await batches.put(1)
        await batches.put(1)

    run(fail_once, scenario)
