"""Bytes of two streams become lines."""

import pytest

from oci.output_lines import STDERR_TAIL_LINES, OutputCollector, Stream

OUT, ERR = Stream.STDOUT, Stream.STDERR


def collected(*parts: tuple[Stream, bytes]) -> list[tuple[Stream, str]]:
    lines: list[tuple[Stream, str]] = []
    collector = OutputCollector(lambda stream, line: lines.append((stream, line)))
    for stream, data in parts:
        collector.feed(stream, data)
    collector.finish()
    return lines


def test_lines_are_put_together_from_pieces_of_each_stream() -> None:
    assert collected((OUT, b"on"), (ERR, b"warn"), (OUT, b"e\ntwo\nth"), (ERR, b"ing\n")) == [
        (OUT, "one"),
        (OUT, "two"),
        (ERR, "warning"),
        (OUT, "th"),
    ]


@pytest.mark.parametrize(
    ("data", "line"),
    [(b"dos\r\n", "dos"), (b"a\xffb\n", "a\N{REPLACEMENT CHARACTER}b"), (b"\n", ""), (b"x", "x")],
)
def test_line_ends_and_bytes_that_are_no_text(data: bytes, line: str) -> None:
    assert collected((OUT, data)) == [(OUT, line)]


def test_a_line_without_end_is_cut_and_nothing_is_lost() -> None:
    lines = collected(*[(OUT, b"x" * 50_000)] * 10)
    assert "".join(line for _, line in lines) == "x" * 500_000
    assert max(len(line) for _, line in lines) <= 65536


def test_without_a_sink_stdout_is_kept_byte_for_byte_and_stderr_by_its_tail() -> None:
    collector = OutputCollector(None)
    collector.feed(OUT, b"\x00\xff\r\n")
    for number in range(100):
        collector.feed(ERR, b"%d\n" % number)
    collector.finish()
    assert collector.stdout == b"\x00\xff\r\n"
    assert list(collector.stderr_tail) == [str(n) for n in range(100 - STDERR_TAIL_LINES, 100)]


def test_with_a_sink_stdout_is_not_kept() -> None:
    collector = OutputCollector(lambda *_: None)
    collector.feed(OUT, b"much\n")
    assert collector.stdout == b""
