"""What goes into a build, as text for people and as JSON."""

import json
from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any

from lifecycle.app_source import printable
from locald.build.context import ExcludedPath, SourceContext
from locald.cli.inspection_text import human_size

# Unless everything is asked for; _EXCLUDED_SHOWN for each rule.
_FOLDERS_SHOWN = 20
_EXCLUDED_SHOWN = 5
_MORE = "more (-v lists all)"

Heading = Mapping[str, str]


def context_lines(heading: Heading, context: SourceContext, *, everything: bool) -> Iterator[str]:
    """heading: names and values for the top. everything: all files, and all that is excluded."""
    rows = {**heading, "content": f"{_files(context.files)}, {human_size(context.size_bytes)}"}
    width = max(map(len, rows))
    for name, value in rows.items():
        yield f"{name:<{width}}  {printable(value)}"
    shown = context.folders if everything else context.folders[:_FOLDERS_SHOWN]
    yield from _section(
        "Folders",
        [
            (
                human_size(one.size_bytes),
                _files(one.files),
                printable(one.path) or "(not in a folder)",
            )
            for one in shown
        ],
    )
    if len(shown) < len(context.folders):
        yield f"  … and {len(context.folders) - len(shown):,} {_MORE}"
    yield from _section(
        "Biggest files", [(human_size(o.size_bytes), printable(o.path)) for o in context.biggest]
    )
    yield from _excluded(context.excluded, everything=everything)
    yield from _section(
        "Files", [(human_size(o.size_bytes), printable(o.path)) for o in context.entries]
    )


def context_json(heading: Heading, context: SourceContext) -> str:
    """One object in one line. Bytes of a name that are no text are lone surrogates."""
    document: dict[str, Any] = {
        **heading,
        "files": context.files,
        "bytes": context.size_bytes,
        "folders": [
            {"path": one.path, "files": one.files, "bytes": one.size_bytes}
            for one in context.folders
        ],
        "biggest": [{"path": one.path, "bytes": one.size_bytes} for one in context.biggest],
        "excluded": [{"path": one.path, "why": one.why} for one in context.excluded],
    }
    if context.entries:
        document["entries"] = [
            {"path": one.path, "bytes": one.size_bytes} for one in context.entries
        ]
    # Lossless, and no command to a CI system that reads this output (`safe_text`).
    return json.dumps(document).replace("##", "#\\u0023")


def _excluded(paths: tuple[ExcludedPath, ...], *, everything: bool) -> Iterator[str]:
    shown = []
    for why, group in groupby(sorted(paths, key=lambda one: (one.why, one.path)), lambda p: p.why):
        same = list(group)
        kept = same if everything or len(same) <= _EXCLUDED_SHOWN + 1 else same[:_EXCLUDED_SHOWN]
        shown += [(printable(one.path), printable(why)) for one in kept]
        if len(kept) < len(same):
            shown.append((f"… and {len(same) - len(kept):,} {_MORE}", printable(why)))
    if not shown:
        return
    yield from ("", "Excluded")
    width = min(max(len(path) for path, _ in shown), 60)
    for path, why in shown:
        yield f"  {path:<{width}}  {why}"


def _section(title: str, rows: list[tuple[str, ...]]) -> Iterator[str]:
    """Columns; the last is text, the others are numbers."""
    if not rows:
        return
    yield from ("", title)
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]) - 1)]
    for *numbers, name in rows:
        columns = (f"{number:>{width}}" for number, width in zip(numbers, widths, strict=True))
        yield f"  {'  '.join(columns)}  {name}"


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count:,} files"
