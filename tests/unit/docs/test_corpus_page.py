"""docs/strangers-images.md tells how many hostile and broken things are tried, and where."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/strangers-images.md").read_text()
_ROW = re.compile(r"^\| .+ \| (\d+) \| `(tests/\S+)` \|$", re.MULTILINE)
_ALL = re.compile(r"^\| all \| (\d+) \| \|$", re.MULTILINE)


def test_the_numbers_are_those_of_the_marker() -> None:
    # Only the files that have it: collecting all of the tests takes many seconds.
    files = [str(path) for path in (ROOT / "tests").rglob("test_*.py") if _has_marker(path)]
    argv = [sys.executable, "-m", "pytest", "-m", "corpus", "--collect-only", "-qq", *files]
    words = [*argv, "-p", "no:cacheprovider"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    counted = dict(re.findall(r"^(tests/\S+): (\d+)$", done.stdout, re.MULTILINE))
    told = {place: number for number, place in _ROW.findall(PAGE)}
    assert told == counted
    (everything,) = _ALL.findall(PAGE)
    assert int(everything) == sum(map(int, counted.values())) >= 200


def _has_marker(path: Path) -> bool:
    return "pytest.mark.corpus" in path.read_text()
