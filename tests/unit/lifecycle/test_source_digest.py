import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lifecycle.source_digest import source_digest
from oci.digest import Digest
from oci.file_digests import FileDigests


@pytest.fixture
def source(tmp_path: Path) -> Path:
    root = tmp_path / "app"
    (root / "lib/deep").mkdir(parents=True)
    (root / "empty").mkdir()
    (root / "node_modules").mkdir()
    (root / "node_modules/left-pad").write_text("pad")
    (root / "app.py").write_text("print()")
    (root / "lib/deep/data").write_text("data")
    (root / "link").symlink_to("app.py")
    return root


HIDDEN = (PurePosixPath("node_modules"), PurePosixPath("lib/secret"))


def look(root: Path) -> Digest:
    return source_digest(root, FileDigests(), hidden=HIDDEN)


def become_file(path: Path) -> None:
    text = str(path.readlink())
    path.unlink()
    path.write_text(text)


def become_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def relink(path: Path, target: str) -> None:
    path.unlink()
    path.symlink_to(target)


CHANGES: dict[str, Callable[[Path], object]] = {
    "content": lambda root: (root / "app.py").write_text("print(1)"),
    "content of the same size": lambda root: (root / "lib/deep/data").write_text("atad"),
    "a new file": lambda root: (root / "lib/new").touch(),
    "a file less": lambda root: (root / "lib/deep/data").unlink(),
    "another name": lambda root: (root / "app.py").rename(root / "main.py"),
    "another folder": lambda root: (root / "lib/deep").rename(root / "deep"),
    "another name of a folder": lambda root: (root / "empty").rename(root / "full"),
    "a new empty folder": lambda root: (root / "lib/new").mkdir(),
    "an empty folder less": lambda root: (root / "empty").rmdir(),
    "executable": lambda root: (root / "app.py").chmod(0o755),
    "mode of a folder": lambda root: (root / "lib").chmod(0o700),
    "mode of the root": lambda root: root.chmod(0o700),
    "link's target": lambda root: relink(root / "link", "lib"),
    "link turned file": lambda root: become_file(root / "link"),
    "file turned folder": lambda root: become_folder(root / "app.py"),
    "a name that is no text": lambda root: Path(os.fsdecode(os.fsencode(root) + b"/\xff")).touch(),
}

NO_CHANGES: dict[str, Callable[[Path], object]] = {
    "nothing": lambda _: None,
    "a time": lambda root: os.utime(root / "app.py", (1, 1)),
    "the same written again": lambda root: (root / "app.py").write_text("print()"),
    "a hidden file": lambda root: (root / "node_modules/left-pad").write_text("other"),
    "a hidden file more": lambda root: (root / "node_modules/new").touch(),
    "what is hidden appears": lambda root: (root / "lib/secret").write_text("secret"),
    "a hidden folder less": lambda root: shutil.rmtree(root / "node_modules"),
    "a link's target's content elsewhere": lambda root: (root.parent / "x").write_text("x"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_the_build_sees_counts(source: Path, change: Callable[[Path], object]) -> None:
    before = look(source)
    change(source)
    assert look(source) != before


@pytest.mark.parametrize("change", NO_CHANGES.values(), ids=NO_CHANGES)
def test_what_it_does_not_see_does_not_count(
    source: Path, change: Callable[[Path], object]
) -> None:
    before = look(source)
    change(source)
    assert look(source) == before


def test_a_copy_elsewhere_is_the_same(source: Path, tmp_path: Path) -> None:
    copy = tmp_path / "somewhere" / "else"
    shutil.copytree(source, copy, symlinks=True)
    assert look(copy) == look(source)


def test_only_what_changed_is_read_again(source: Path) -> None:
    time.sleep(0.15)
    stats = source.parent / "stats"
    first = FileDigests()
    source_digest(source, first)
    assert first.files_read == 3
    first.save(stats)
    (source / "app.py").write_text("other")
    second = FileDigests.load(stats)
    assert source_digest(source, second) == source_digest(source, FileDigests())
    assert second.files_read == 1


def test_what_cannot_be_read_is_an_error(source: Path) -> None:
    with pytest.raises(OSError, match="nowhere"):
        source_digest(source / "nowhere", FileDigests())


_NAMES = st.sampled_from(("a", "b", "ab", "a b", "é"))
_TREES = st.recursive(
    st.text("xy", max_size=2),
    lambda children: st.dictionaries(_NAMES, children, max_size=3),
    max_leaves=6,
).filter(lambda tree: isinstance(tree, dict))


def make(folder: Path, tree: object) -> Path:
    if isinstance(tree, dict):
        folder.mkdir()
        for name, child in tree.items():
            make(folder / name, child)
    else:
        folder.write_text(str(tree))
    return folder


@settings(max_examples=50, deadline=None)
@given(_TREES, _TREES)
def test_trees_are_the_same_when_their_digests_are(
    tmp_path_factory: pytest.TempPathFactory, one: object, other: object
) -> None:
    folder = tmp_path_factory.mktemp("trees")
    first, second = make(folder / "one", one), make(folder / "other", other)
    assert (look(first) == look(second)) == (one == other)
