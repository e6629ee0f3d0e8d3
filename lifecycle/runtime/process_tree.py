"""Which process is below which, read from /proc."""

import os
from collections import defaultdict, deque
from collections.abc import Iterator
from pathlib import Path

_PROC = Path("/proc")


def read_processes() -> tuple[dict[int, int], dict[int, list[int]]]:
    """Of all processes that can be seen: pid → threads, and pid → children."""
    threads: dict[int, int] = {}
    children: defaultdict[int, list[int]] = defaultdict(list)
    for name in os.listdir(_PROC):  # noqa: PTH208 (no Path for each)
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb") as file:  # noqa: PTH123 (thousands of them)
                text = file.read()
        except OSError:  # it has ended
            continue
        # The second field is a name that may hold anything; see proc(5).
        fields = text[text.rindex(b")") + 2 :].split()
        threads[int(name)] = int(fields[17])
        children[int(fields[1])].append(int(name))
    return threads, children


def below(root: int, children: dict[int, list[int]]) -> Iterator[int]:
    """root first, then the outer ones before the inner ones."""
    pending = deque([root])
    while pending:
        pid = pending.popleft()
        yield pid
        pending.extend(children.get(pid, ()))
