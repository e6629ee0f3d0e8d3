"""The tests that docs/promises.md names, with their numbers of cases.

python -m tests.support.promised_tests      brings the numbers up to date; not as root
"""

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/promises.md"
NAMED = re.compile(r"`(tests/[\w/]+\.py::test_\w+)`(?: \u00d7(\d+))?")
TOTAL = re.compile(r"(\d+) tests with (\d+) cases")
ROW = re.compile(r"\brow `([^`]+)`")


def named_tests() -> tuple[tuple[str, str], ...]:
    """Each `path::function` with the number of cases that the page gives, or ""."""
    return tuple((found[1], found[2] or "") for found in NAMED.finditer(PAGE.read_text()))


def collected(names: Iterable[str]) -> Counter[str]:
    """How many cases pytest finds of each of these tests."""
    argv = (sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider")
    files = sorted({name.partition("::")[0] for name in names})
    result = subprocess.run(
        (*argv, *files), cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False
    )
    assert result.returncode == 0, result.stdout[-2000:]
    found = re.findall(r"^(tests/[\w/]+\.py::test_\w+)", result.stdout, re.MULTILINE)
    return Counter(found)


def total(counts: Counter[str]) -> tuple[int, int]:
    """The tests that the page names, each once, and their cases."""
    names = {name for name, _ in named_tests()}
    return len(names), sum(counts[name] for name in names)


def main() -> None:
    counts = collected(name for name, _ in named_tests())
    times = "\N{MULTIPLICATION SIGN}"
    text = NAMED.sub(lambda found: f"`{found[1]}` {times}{counts[found[1]]}", PAGE.read_text())
    tests, cases = total(counts)
    PAGE.write_text(TOTAL.sub(f"{tests} tests with {cases} cases", text))


if __name__ == "__main__":
    main()
