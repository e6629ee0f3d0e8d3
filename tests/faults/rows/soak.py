"""A hundred builds and a hundred killed ones leave store and caches as large as before."""

import random
import signal
import time
from typing import Any

from tests.faults.laboratory import Laboratory
from tests.faults.place import Place, check
from tests.faults.row import Case, Row

_MOST = 0.01


def _cases(_: Laboratory, quick: bool) -> tuple[Case, ...]:
    count = 3 if quick else 100
    return (Case(name=f"{count} builds and {count} kills", hold=_hold(count)),)


def _hold(count: int) -> Any:
    def hold(laboratory: Laboratory) -> None:
        dice = random.Random(7)
        with laboratory.place(laboratory.warm) as here:
            _seed(here, "0000")
            lasts = here.build().seconds
            here.check_as_good_as_new()
            bytes_before, files_before = _size(laboratory, here)
            for number in range(1, count + 1):
                _seed(here, f"{number:04}")
                with here.start() as build:
                    time.sleep(dice.uniform(0.02, 1.0) * lasts)
                    if build.running():
                        build.send(signal.SIGKILL)
                    build.finish(seconds=60)
                result = here.build()
                check(result.code == 0, f"build {number} fails: {result.output[-3000:]}")
                check(result.digest == here.digest, f"build {number} gives another image")
            here.check_as_good_as_new()
            bytes_after, files_after = _size(laboratory, here)
            grown = f"from {bytes_before} bytes to {bytes_after}"
            check(abs(bytes_after - bytes_before) <= _MOST * bytes_before, grown)
            grown = f"from {files_before} files to {files_after}"
            check(abs(files_after - files_before) <= _MOST * files_before, grown)

    return hold


def _seed(here: Place, text: str) -> None:
    """Another cache for each build."""
    (here.app / "seed").write_text(text)


def _size(laboratory: Laboratory, here: Place) -> tuple[int, int]:
    """Bytes and files of the data folder and the caches, each file once."""
    folders = (str(here.data), str(here.cache))
    sizes = []
    for flags in (("--apparent-size", "--block-size=1"), ("--inodes",)):
        done = laboratory.namespace.run("du", "--summarize", "--total", *flags, *folders)
        sizes.append(int(done.stdout.splitlines()[-1].split()[0]))
    return sizes[0], sizes[1]


ROWS = (
    Row(
        key="soak",
        title="100 builds and 100 kills: the size of store and caches stays",
        cases=_cases,
        minutes=3,
    ),
)
