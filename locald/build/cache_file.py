"""The file of an exported cache: how it is written, whole or not at all, and read."""

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from oci.errors import StorageError, UsageError
from oci.gzip_stream import GzipStream

STANDARD = "-"
_GZIP_NAMES = (".tar.gz", ".tgz")
# Caches hold much that is compressed already; 4 is as quick as 1.
_LEVEL = 4

Sink = Callable[[bytes], object]


def check_writable(file: Path) -> None:
    """Raises UsageError when an archive cannot go there, before anything is locked for it."""
    if str(file) == STANDARD:
        if os.isatty(sys.stdout.fileno()):
            raise UsageError(
                "-: standard output is a terminal", hint="send it to a program, or name a file"
            )
    elif not file.name.endswith((".tar", *_GZIP_NAMES)):
        raise UsageError(
            f"{file}: it is told by its name what to write",
            hint=f"name it {file.name}.tar, or {file.name}.tgz to have it compressed",
        )
    elif file.is_dir():
        raise UsageError(f"{file} is a folder", hint=f"name a file: {file / 'cache.tgz'}")
    elif not file.parent.is_dir():
        raise UsageError(f"{file}: there is no folder {file.parent}")


@contextmanager
def written(file: Path) -> Iterator[Sink]:
    """Takes an archive's bytes; the file has its name, and replaces another, when all is there."""
    if str(file) == STANDARD:
        with os.fdopen(os.dup(sys.stdout.fileno()), "wb") as stream:
            yield stream.write
        return
    staged = None
    try:
        with tempfile.NamedTemporaryFile(
            dir=file.parent, prefix=f".{file.name}.", delete=False
        ) as stream:
            staged = Path(stream.name)
            if file.name.endswith(_GZIP_NAMES):
                with _gzipped(stream) as sink:
                    yield sink
            else:
                yield stream.write
        staged.replace(file)
    except OSError as error:
        raise StorageError(f"{file} cannot be written: {error.strerror}") from error
    finally:
        if staged is not None:
            staged.unlink(missing_ok=True)


@contextmanager
def opened(file: Path) -> Iterator[IO[bytes]]:
    """An archive's bytes, buffered. Raises UsageError."""
    if str(file) == STANDARD:
        if os.isatty(sys.stdin.fileno()):
            raise UsageError("-: standard input is a terminal", hint="send it a file: … < FILE")
        with os.fdopen(os.dup(sys.stdin.fileno()), "rb") as stream:
            yield stream
        return
    try:
        stream = file.open("rb")
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from error
    with stream:
        yield stream


@contextmanager
def _gzipped(target: IO[bytes]) -> Iterator[Sink]:
    stream = GzipStream(target.write, level=_LEVEL)
    try:
        yield stream.write
        stream.close()
    finally:
        stream.abandon()
