import os
import socket
import time
from collections.abc import Collection, Sequence
from pathlib import Path, PurePosixPath

import pytest

from lifecycle.app_source import hidden_paths, printable
from oci.errors import UsageError


def hides_nothing(folder: str, entries: Sequence[os.DirEntry[str]]) -> Collection[str]:
    return ()


def paths(*texts: str) -> tuple[PurePosixPath, ...]:
    return tuple(PurePosixPath(text) for text in texts)


def test_only_the_topmost_hidden_path_is_named_and_never_entered(tmp_path: Path) -> None:
    (tmp_path / "a/skip/deep").mkdir(parents=True)
    (tmp_path / "a/skip/deep/x").write_text("x")
    (tmp_path / "a/keep").write_text("12345")
    entered = []

    def rule(folder: str, entries: Sequence[os.DirEntry[str]]) -> Collection[str]:
        entered.append(folder)
        return {"skip"}

    scan = hidden_paths(tmp_path, rule)
    assert scan.hidden == paths("a/skip")
    assert (scan.files, scan.size_bytes) == (1, 5)
    assert entered == ["", "a/"]


def test_sockets_and_fifos_are_left_out_with_a_note(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "sock"))
    scan = hidden_paths(tmp_path, hides_nothing)
    assert scan.hidden == paths("pipe", "sock")
    assert scan.notes == ("left out pipe: a FIFO", "left out sock: a socket")


def test_links_stay_as_they_are_and_are_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for name, target in (("ok", "file"), ("broken", "nowhere"), ("absolute", "/etc"), ("l", "l")):
        (tmp_path / name).symlink_to(target)
    scan = hidden_paths(tmp_path, hides_nothing)
    assert scan.hidden == ()
    assert scan.broken_links == paths("broken", "l")
    assert scan.absolute_links == paths("absolute")
    assert scan.files == 1
    assert "broken: the link points nowhere" in scan.notes


def test_links_to_folders_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/up").symlink_to("..")
    assert hidden_paths(tmp_path, hides_nothing).files == 0


def test_names_that_are_no_text_survive_the_round_trip(tmp_path: Path) -> None:
    names = [b"caf\xe9", b"new\nline", b"-rf", b" "]
    for name in names:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_text("")

    def everything(folder: str, entries: Sequence[os.DirEntry[str]]) -> Collection[str]:
        return {entry.name for entry in entries}

    scan = hidden_paths(tmp_path, everything)
    assert {os.fsencode(str(path)) for path in scan.hidden} == set(names)


def test_folders_with_nothing_left_to_see_are_pruned(tmp_path: Path) -> None:
    for file in ("a/b/no", "a/c/yes", "d/e/no", "top-no", "f/no"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text("")
    (tmp_path / "empty").mkdir()

    def rule(folder: str, entries: Sequence[os.DirEntry[str]]) -> Collection[str]:
        return {e.name for e in entries if e.name.endswith("no")}

    scan = hidden_paths(tmp_path, rule, prunes=lambda folder: True)
    assert scan.hidden == paths("a/b", "d", "empty", "f", "top-no")
    assert scan.files == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_cannot_be_read_is_listed_with_a_remedy(tmp_path: Path) -> None:
    for number in range(12):
        (tmp_path / f"file{number:02}").touch(mode=0)
    (tmp_path / "folder").mkdir(mode=0)
    with pytest.raises(UsageError) as caught:
        hidden_paths(tmp_path, hides_nothing)
    assert caught.value.message == "the source holds 13 paths that you cannot read"
    assert caught.value.details[0] == "file00"
    assert caught.value.details[10:] == ("… and 3 more",)
    assert "chmod u+rX" in caught.value.hint


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_hidden_unreadable_folder_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "private").mkdir(mode=0)
    assert hidden_paths(tmp_path, lambda *_: {"private"}).hidden == paths("private")


def test_ten_thousand_files_take_little_time(tmp_path: Path) -> None:

    for folder in range(100):
        (tmp_path / str(folder)).mkdir()
        for number in range(100):
            (tmp_path / str(folder) / str(number)).touch()
    times = []
    for _ in range(5):
        start = time.process_time()
        assert hidden_paths(tmp_path, hides_nothing).files == 10_000
        times.append(time.process_time() - start)
    # 0.03 s when nothing else runs; the limit leaves room for a slow machine.
    assert min(times) < 0.25


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("a/é", "a/é"),
        ("new\nline", "new\\nline"),
        ("caf\udce9", "caf\\udce9"),
        ("\x1b[31m", "\\x1b[31m"),
    ],
)
def test_printable_paths_cannot_fool_a_terminal(path: str, shown: str) -> None:
    assert printable(path) == shown


def test_big_files_with_holes_are_told(tmp_path: Path) -> None:
    for name, size in (("holes", 1 << 40), ("small", 1 << 20)):
        with (tmp_path / name).open("wb") as file:
            file.truncate(size)
    scan = hidden_paths(tmp_path, lambda *_: ())
    assert scan.sparse == ((PurePosixPath("holes"), 1 << 40),)
