"""gzip, compressed by several threads, the same bytes whatever their number.

The input is cut into blocks of a fixed size; each is deflated by itself, with the end of the
block before it as dictionary, and ends at a byte boundary, so that the pieces simply follow each
other (as pigz does). Only a few blocks are in memory at a time.
"""

import os
import zlib
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

_BLOCK_BYTES = 256 * 1024
_WINDOW_BYTES = 32 * 1024
# No name, no time of change, "unknown" as operating system: nothing that differs between runs.
_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"


class GzipStream:
    """Takes bytes with `write`; hands compressed bytes to `sink`, in order. `close` ends it.

    level: zlib's, 1 (fast) to 9 (small).
    """

    def __init__(self, sink: Callable[[bytes], object], *, level: int) -> None:
        self._sink = sink
        self._level = level
        self._block = bytearray()
        self._window = b""
        self._crc = 0
        self._size_bytes = 0
        self._threads = max(1, len(os.sched_getaffinity(0)))
        self._pool: ThreadPoolExecutor | None = None
        self._pending: deque[Future[bytes]] = deque()
        sink(_HEADER)

    def write(self, data: bytes) -> None:
        """Compress more bytes; may return before they are handed on."""
        self._crc = zlib.crc32(data, self._crc)
        self._size_bytes += len(data)
        self._block += data
        while len(self._block) > _BLOCK_BYTES:
            block = bytes(self._block[:_BLOCK_BYTES])
            del self._block[:_BLOCK_BYTES]
            self._submit(block)

    def close(self) -> None:
        """Hand on what is left, and the trailer."""
        last = self._deflate(bytes(self._block), self._window, zlib.Z_FINISH)
        self._drain(0)
        self._sink(last)
        self._sink((self._crc & 0xFFFFFFFF).to_bytes(4, "little"))
        self._sink((self._size_bytes & 0xFFFFFFFF).to_bytes(4, "little"))
        self.abandon()

    def abandon(self) -> None:
        """Free the threads; for a stream that will not be finished."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None

    def _submit(self, block: bytes) -> None:
        if self._pool is None:  # not before the second block: most layers have only one
            self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="gzip")
        self._pending.append(
            self._pool.submit(self._deflate, block, self._window, zlib.Z_SYNC_FLUSH)
        )
        self._window = block[-_WINDOW_BYTES:]
        self._drain(2 * self._threads)

    def _drain(self, keep: int) -> None:
        while len(self._pending) > keep:
            self._sink(self._pending.popleft().result())

    def _deflate(self, block: bytes, window: bytes, flush: int) -> bytes:
        compressor = zlib.compressobj(self._level, zlib.DEFLATED, -zlib.MAX_WBITS, zdict=window)
        return compressor.compress(block) + compressor.flush(flush)
