"""An inspection as text for people: sections of aligned columns, wrapped where there is a width."""

import shlex
import textwrap
from collections.abc import Iterator, Sequence

from locald.inspect.inspection import Inspection, Layer, ProcessType

_INDENT = "  "
_GAP = "  "
# What is left for a value when names take most of the line.
_MIN_VALUE_WIDTH = 24
_SHORT_DIGEST = len("sha256:") + 12

Row = tuple[str, ...]


def inspection_lines(inspection: Inspection, *, width: int | None) -> Iterator[str]:
    """The lines. width: of the terminal, in characters; None never wraps.

    Without a width (a pipe, a file) digests are whole; on a terminal layers show the beginning.
    """
    sections = (
        ("Image", _image(inspection)),
        ("Base image", _base(inspection)),
        ("Source", _source(inspection)),
        ("Buildpacks", [(b.id, b.version, b.homepage) for b in inspection.buildpacks]),
        ("Processes", [_process(process) for process in inspection.processes]),
        ("Environment", sorted(inspection.environment.items())),
        ("Layers", _layers(inspection, whole=width is None)),
    )
    shown = [(title, rows) for title, rows in sections if rows]
    for index, (title, rows) in enumerate(shown):
        if index:
            yield ""
        yield title
        yield from _table(rows, width)


def human_size(size_bytes: int) -> str:
    """Decimal units, as registries show them: `77.8 MB`."""
    size = float(size_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 999.5 or unit == "GB":
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    raise AssertionError(size_bytes)


def _image(inspection: Inspection) -> list[Row]:
    rows: list[Row] = [("name", name) for name in inspection.names[:1]]
    rows += [("also", name) for name in inspection.names[1:]]
    own = human_size(inspection.own_size_bytes)
    rows += [
        ("digest", inspection.digest),
        ("created", _created(inspection.created)),
        ("platform", inspection.platform),
        (
            "size",
            f"{human_size(inspection.size_bytes)} compressed"
            + (f", {own} of it above the base image" if inspection.base is not None else ""),
        ),
        ("user", inspection.user or "root"),
    ]
    if inspection.built_by_buildpacks:
        rows.append(("rebasable", "yes" if inspection.rebasable else "no"))
    else:
        rows.append(("note", "not built by buildpacks"))
    return rows


def _created(text: str) -> str:
    # The lifecycle's constant, so that the same source gives the same digest.
    return (
        f"{text} (a constant: the build is reproducible)"
        if text.startswith("1980-01-01")
        else (text or "unknown")
    )


def _base(inspection: Inspection) -> list[Row]:
    base = inspection.base
    if base is None:
        return []
    rows: list[Row] = [
        ("name", base.name),
        ("reference", base.reference),
        *(("mirror", mirror) for mirror in base.mirrors),
        ("top layer", base.top_layer),
        ("size", f"{human_size(base.size_bytes)} in {_count(base.layers, 'layer')}"),
    ]
    return [row for row in rows if row[1]]


def _source(inspection: Inspection) -> list[Row]:
    """What a platform wrote about the source: text values, however deep."""

    def flat(value: object, key: str) -> Iterator[Row]:
        if isinstance(value, dict):
            for name, inner in value.items():
                yield from flat(inner, f"{key}.{name}" if key else str(name))
        elif isinstance(value, (list, tuple)) and any(isinstance(one, dict) for one in value):
            for index, inner in enumerate(value):
                yield from flat(inner, f"{key}[{index}]")
        elif isinstance(value, (list, tuple)):
            yield key, ", ".join(map(str, value))
        elif value not in (None, ""):
            yield key, str(value)

    rows: list[Row] = []
    for name, value in (inspection.source or {}).items():
        # The format's own two tables say nothing that the names in them do not.
        rows += flat(value, "" if name in ("version", "metadata") else str(name))
    return rows


def _process(process: ProcessType) -> Row:
    # The command of a shell's process is text for the shell already.
    command = shlex.join(process.command) if process.direct else " ".join(process.command)
    words = " ".join((command, *map(shlex.quote, process.args)))
    notes = [
        *(["default"] if process.default else []),
        *([] if process.direct else ["by a shell"]),
        *([f"in {process.working_dir}"] if process.working_dir else []),
        *([f"from {process.buildpack}"] if process.buildpack else []),
    ]
    return (process.type, words + (f"  ({', '.join(notes)})" if notes else ""))


def _layers(inspection: Inspection, *, whole: bool) -> list[Row]:
    def row(layer: Layer) -> Row:
        digest = layer.digest if whole else layer.digest[:_SHORT_DIGEST]
        made_by = layer.made_by or "unknown"
        maker = f"{made_by}: {layer.name}" if layer.name else made_by
        return (f"{human_size(layer.size_bytes):>9}", digest, maker)

    return [row(layer) for layer in inspection.layers]


def _table(rows: Sequence[Row], width: int | None) -> Iterator[str]:
    """Columns as wide as their widest cell; the last one is wrapped below itself."""
    cells = [[" ".join(cell.split()) if index else cell for index, cell in enumerate(row)]
             for row in rows]  # fmt: skip
    columns = max(map(len, cells))
    widths = [max(len(row[i]) if i < len(row) else 0 for row in cells) for i in range(columns - 1)]
    lead = len(_INDENT) + sum(widths) + len(_GAP) * len(widths)
    for row in cells:
        head = _GAP.join(cell.ljust(size) for cell, size in zip(row, widths, strict=False))
        first, *others = _wrapped(row[-1], None if width is None else width - lead)
        yield f"{_INDENT}{head}{_GAP}{first}".rstrip()
        for other in others:
            yield " " * lead + other


def _wrapped(text: str, width: int | None) -> list[str]:
    if width is None or len(text) <= width:
        return [text]
    # A digest or a path stays whole, so that it can be copied.
    return textwrap.wrap(
        text, max(width, _MIN_VALUE_WIDTH), break_long_words=False, break_on_hyphens=False
    ) or [""]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
