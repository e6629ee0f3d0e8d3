"""Cuts what a child process writes into lines."""

from collections import deque
from collections.abc import Callable
from enum import StrEnum

STDERR_TAIL_LINES = 40
_MAX_LINE_BYTES = 64 * 1024


class Stream(StrEnum):
    """Which of a child's outputs a line came from."""

    STDOUT = "stdout"
    STDERR = "stderr"


LineSink = Callable[[Stream, str], None]


class OutputCollector:
    """Receives both byte streams of a child, hands on their lines, keeps what its result needs.

    on_line: without it standard output is kept whole.
    """

    def __init__(self, on_line: LineSink | None) -> None:
        self._on_line = on_line
        self._partial = {Stream.STDOUT: b"", Stream.STDERR: b""}
        self._kept: list[bytes] = []
        self.stderr_tail: deque[str] = deque(maxlen=STDERR_TAIL_LINES)

    @property
    def stdout(self) -> bytes:
        """What was kept of standard output."""
        return b"".join(self._kept)

    def feed(self, stream: Stream, data: bytes) -> None:
        """Take the next bytes of a stream. Lines that never end are cut at 64 KiB."""
        if stream is Stream.STDOUT and self._on_line is None:
            self._kept.append(data)
            return
        *lines, rest = (self._partial[stream] + data).split(b"\n")
        while len(rest) > _MAX_LINE_BYTES:
            lines.append(rest[:_MAX_LINE_BYTES])
            rest = rest[_MAX_LINE_BYTES:]
        self._partial[stream] = rest
        for line in lines:
            self._emit(stream, line)

    def finish(self) -> None:
        """Both streams have ended: a last line without its end counts too."""
        for stream, rest in self._partial.items():
            if rest:
                self._partial[stream] = b""
                self._emit(stream, rest)

    def _emit(self, stream: Stream, raw: bytes) -> None:
        line = raw.decode(errors="replace").rstrip("\r")
        if stream is Stream.STDERR:
            self.stderr_tail.append(line)
        if self._on_line is not None:
            self._on_line(stream, line)
