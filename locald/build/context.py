"""What goes into a build, and why the rest does not."""

import heapq
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from lifecycle.app_source import special_kind
from locald.config.ignore import SourceRules, scan_source

BIGGEST = 10


@dataclass(frozen=True, kw_only=True)
class ContextFile:
    """A file or link that the build sees; a link has no size."""

    path: str
    size_bytes: int


@dataclass(frozen=True, kw_only=True)
class ContextFolder:
    """A folder of the source's root, with all that is in it; `""` is the root's own files."""

    path: str
    files: int
    size_bytes: int


@dataclass(frozen=True, kw_only=True)
class ExcludedPath:
    """path: ends in `/` when it is a folder. why: the line that excludes it, and where it is."""

    path: str
    why: str


@dataclass(frozen=True, kw_only=True)
class SourceContext:
    """Paths are relative to `folder`; names that are not UTF-8 are surrogate-escaped.

    files: regular files. size_bytes: of them all. folders, biggest: the biggest first.
    entries: all files and links, by path; empty unless asked for.
    """

    folder: Path
    files: int
    size_bytes: int
    folders: tuple[ContextFolder, ...]
    biggest: tuple[ContextFile, ...]
    excluded: tuple[ExcludedPath, ...]
    entries: tuple[ContextFile, ...] = ()
    notes: tuple[str, ...] = ()


def source_context(folder: Path, rules: SourceRules, *, every_file: bool) -> SourceContext:
    """Look at a source as a build would. Raises UsageError as it does."""
    rule = rules.rule()
    visitor = _Visitor(every_file=every_file)
    scan = scan_source(folder, rules, rule=rule, visit=visitor.visit)
    excluded = []
    for path in map(str, scan.hidden):
        mode = (folder / path).lstat().st_mode
        is_folder = (folder / path).is_dir() and not (folder / path).is_symlink()
        why = special_kind(mode) or rule.why(path, folder=is_folder) or "nothing in it is left"
        excluded.append(ExcludedPath(path=f"{path}/" if is_folder else path, why=why))
    return SourceContext(
        folder=folder,
        files=scan.files,
        size_bytes=scan.size_bytes,
        folders=visitor.folders(),
        biggest=visitor.biggest(),
        excluded=tuple(excluded),
        entries=tuple(sorted(visitor.entries, key=lambda file: file.path)),
        notes=scan.notes,
    )


class _Visitor:
    """Sums up what it is told of, in memory that does not grow with the source."""

    def __init__(self, *, every_file: bool) -> None:
        self.entries: list[ContextFile] = []
        self._every_file = every_file
        self._files: defaultdict[str, int] = defaultdict(int)
        self._bytes: defaultdict[str, int] = defaultdict(int)
        self._biggest: list[tuple[int, str]] = []

    def visit(self, path: str, size_bytes: int) -> None:
        top = path[: path.find("/") + 1]
        self._files[top] += 1
        self._bytes[top] += size_bytes
        if size_bytes and len(self._biggest) < BIGGEST:
            heapq.heappush(self._biggest, (size_bytes, path))
        elif size_bytes and size_bytes > self._biggest[0][0]:
            heapq.heapreplace(self._biggest, (size_bytes, path))
        if self._every_file:
            self.entries.append(ContextFile(path=path, size_bytes=size_bytes))

    def folders(self) -> tuple[ContextFolder, ...]:
        found = (
            ContextFolder(path=path, files=files, size_bytes=self._bytes[path])
            for path, files in self._files.items()
        )
        return tuple(sorted(found, key=lambda folder: (-folder.size_bytes, folder.path)))

    def biggest(self) -> tuple[ContextFile, ...]:
        ordered = sorted(self._biggest, key=lambda pair: (-pair[0], pair[1]))
        return tuple(ContextFile(path=path, size_bytes=size) for size, path in ordered)
