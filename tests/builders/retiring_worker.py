"""`python -m tests.builders.retiring_worker ADDRESS`: a worker for a scheduler, until it is terminated."""

import asyncio
import signal
import sys
import threading

from regions.cluster.workers import OutsideCluster, WorkerSettings, run_worker


def main() -> None:
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    asyncio.run(run_worker(OutsideCluster(sys.argv[1]), WorkerSettings(("json",)), 512 << 20, stop))


if __name__ == "__main__":
    main()
