"""The photo job: how fast its imaging is and how its variants look, beside peers on the same photos; and all of it.

`bench/photo_job/` says what is measured, and how. The peers are sharp, Pillow and thumbor; `make bench-photos` installs
them first.
"""

import tempfile
from contextlib import ExitStack
from pathlib import Path

from bench import harness
from bench.photo_job import photos, quality, sharp, speed, thumbor, whole_job
from bench.photo_job.contender import Contender
from bench.photo_job.in_process import InProcess, ours, pillow


def run() -> list[harness.Measurement]:
    with tempfile.TemporaryDirectory(prefix="darkroom-bench-") as folder, ExitStack() as stopped:
        drawn = photos.draw(Path(folder))
        contenders: dict[str, Contender] = {
            "ours": InProcess(ours),
            **stopped.enter_context(sharp.running(Path(folder))),
            "Pillow": InProcess(pillow),
            **stopped.enter_context(thumbor.running(Path(folder))),
        }
        return [*speed.rows(contenders, drawn), *quality.rows(contenders, drawn), *whole_job.rows()]
