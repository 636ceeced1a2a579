"""The three regions of one machine, prepared in the test's folder. Fixtures."""

from pathlib import Path

import pytest

from darkroom.local import data_folder
from regions import config
from regions.config import Config

MACHINE = data_folder.read_machine()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    data_folder.prepare(tmp_path, MACHINE, {process.name: 1 for process in MACHINE.processes()})
    return tmp_path


@pytest.fixture
def loaded(data: Path) -> Config:
    return config.load(data / "topology.toml", {})
