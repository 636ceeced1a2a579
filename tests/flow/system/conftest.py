"""One running system for all tests of this folder; each brings people of its own."""

from collections.abc import Callable, Iterator

import pytest

from tests.conftest import System


@pytest.fixture(scope="package")
def system(start_system: Callable[..., Iterator[System]], tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    yield from start_system(tmp_path_factory.mktemp("system"))
