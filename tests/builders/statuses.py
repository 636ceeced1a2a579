"""The status of a processor that does nothing, but for what a test changes."""

from typing import Any

from regions.processing_status import ProcessingStatus


def status(**changes: Any) -> ProcessingStatus:
    idle: dict[str, Any] = {
        "at_ms": 1_800_000_000_000,
        "cluster": "one",
        "workers": 8,
        "wanted_workers": 1,
        "in_flight": 0,
        "lag": 0,
        "arrived_per_s": 0.0,
        "finished_per_s": 0.0,
        "failed_per_s": 0.0,
        "work_s": 0.2,
        "worker_deaths": 0,
        "waiting": {},
        "oldest_waiting_s": {},
        "step_ms": {},
    }
    return ProcessingStatus(**(idle | changes))
