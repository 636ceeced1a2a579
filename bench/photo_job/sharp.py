"""sharp (libvips on Node.js), in two ways: as its manual says, with a clone for each size; and in the way that is its
best, decoding once and making all sizes from the largest. `make bench-peers` installs it from the lock file.
"""

import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.photo_job.contender import QUALITY, Contender, Variants
from bench.photo_job.photos import DrawnPhoto
from regions.image_limits import VARIANT_SIZES

USUAL, ONCE = "sharp", "sharp, decoding once"
MISSING: Mapping[str, str] = dict.fromkeys((USUAL, ONCE), "install node and npm, then `make bench-peers`")

_PEERS = Path(__file__).parents[1] / "peers"

_PROGRAM = """
const sharp = require('sharp'); const fs = require('fs');
sharp.concurrency(1); sharp.cache(false);
const [sizes, quality] = JSON.parse(process.argv[1]);
async function variants(data, once) {
  let image = sharp(data, {sequentialRead: true, failOn: 'error'}).rotate();
  if (once) {
    const {data: pixels, info} = await image
      .resize({width: Math.max(...sizes), withoutEnlargement: true}).raw().toBuffer({resolveWithObject: true});
    image = sharp(pixels, {raw: info});
  }
  const grey = image.clone().resize(64, 64, {fit: 'fill'}).greyscale().raw().toBuffer();
  const drawn = await Promise.all(sizes.map(width =>
    image.clone().resize({width, withoutEnlargement: true}).jpeg({quality}).toBuffer()));
  await grey;
  return drawn;
}
require('readline').createInterface({input: process.stdin}).on('line', async line => {
  const {photo, keep, once} = JSON.parse(line);
  const data = fs.readFileSync(photo);
  const start = process.cpuUsage();
  const drawn = await variants(data, once);
  const {user, system} = process.cpuUsage(start);
  const seconds = (user + system) / 1e6;
  if (keep) drawn.forEach((bytes, n) => fs.writeFileSync(`${keep}/${sizes[n]}.jpg`, bytes));
  console.log(JSON.stringify(seconds));
});
"""


class _Node:
    """One node process that makes variants on request, and measures itself."""

    def __init__(self, process: "subprocess.Popen[str]", folder: Path) -> None:
        self._process, self._folder = process, folder

    def core_s(self, photo: DrawnPhoto, once: bool, keep: bool = False) -> float:
        assert self._process.stdin is not None and self._process.stdout is not None
        order = {"photo": str(photo.path), "keep": str(self._folder) if keep else None, "once": once}
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return float(json.loads(self._process.stdout.readline()))

    def variants(self, photo: DrawnPhoto, once: bool) -> Variants:
        self.core_s(photo, once, keep=True)
        return {width: (self._folder / f"{width}.jpg").read_bytes() for width in VARIANT_SIZES}


@dataclass(frozen=True, slots=True)
class _Sharp:
    process: _Node
    once: bool

    def variants(self, photo: DrawnPhoto) -> Variants:
        return self.process.variants(photo, self.once)

    def core_s(self, photo: DrawnPhoto) -> float:
        return self.process.core_s(photo, self.once)


@contextmanager
def running(folder: Path) -> Iterator[Mapping[str, Contender]]:
    """Both ways, by name; none if Node.js or sharp is not installed. Variants pass through `folder`, which exists."""
    node = shutil.which("node")
    if node is None or not (_PEERS / "node_modules" / "sharp").is_dir():
        yield {}
        return
    command = [node, "-e", _PROGRAM, "--", json.dumps([VARIANT_SIZES, QUALITY])]
    with subprocess.Popen(command, cwd=_PEERS, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        one = _Node(process, folder)
        yield {USUAL: _Sharp(one, once=False), ONCE: _Sharp(one, once=True)}
        process.terminate()
