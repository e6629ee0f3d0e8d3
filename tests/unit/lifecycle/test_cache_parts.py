"""Trees in parts: the same tree gives the same parts, and a small change changes few."""

import random
from pathlib import Path

from lifecycle.cache_parts import Part, split
from oci.tree_tar import EntryKind, TreeEntry, list_tree

KIB = 1024


def folder(path: str) -> TreeEntry:
    return TreeEntry(
        path=path, kind=EntryKind.FOLDER, mode=0o755, size_bytes=0, mtime_ns=0, ctime_ns=0,
        inode=(0, 0),
    )  # fmt: skip


def file(path: str, size_bytes: int, *, inode: int = 0, ctime_ns: int = 1) -> TreeEntry:
    return TreeEntry(
        path=path, kind=EntryKind.FILE, mode=0o644, size_bytes=size_bytes, mtime_ns=1,
        ctime_ns=ctime_ns, inode=(1, inode),
    )  # fmt: skip


def go_cache(*extra: TreeEntry) -> tuple[TreeEntry, ...]:
    """256 folders with a few files each, as Go's build cache has them."""
    entries = [folder("go")]
    numbers = random.Random(1)
    for number in range(256):
        name = f"go/{number:02x}"
        entries.append(folder(name))
        entries += [file(f"{name}/{n}", numbers.randrange(4 * KIB)) for n in range(3)]
    return tuple(sorted((*entries, *extra), key=lambda entry: entry.path.split("/")))


def contents(parts: tuple[Part, ...]) -> list[str]:
    return sorted(
        entry.path for part in parts for entry in part.entries if entry.kind is EntryKind.FILE
    )


def test_a_small_tree_is_one_part() -> None:
    entries = (folder("a"), file("a/b", 10), file("c", 10))
    assert split(entries) == (Part(entries=entries),)


def test_an_empty_tree_has_no_parts() -> None:
    assert split(()) == ()


def test_everything_is_in_exactly_one_part_below_its_folders() -> None:
    entries = (
        folder("a"), folder("a/b"), file("a/b/big", 900 * KIB), file("a/b/small", 1),
        folder("a/c"), file("a/c/big", 950 * KIB), folder("a/c/empty"), file("z", 1),
    )  # fmt: skip
    parts = split(entries, part_bytes=800 * KIB)
    assert len(parts) >= 4
    assert contents(parts) == ["a/b/big", "a/b/small", "a/c/big", "z"]
    for part in parts:
        seen = {""}
        for entry in part.entries:
            assert entry.path.rpartition("/")[0] in seen
            seen.add(entry.path)
    assert sum("a/c/empty" in part.paths for part in parts) == 1


def test_a_new_file_changes_one_part_of_many() -> None:
    before = split(go_cache(), part_bytes=32 * KIB)
    after = split(go_cache(file("go/7f/new", 100)), part_bytes=32 * KIB)
    assert len(before) > 20
    assert contents(after) == sorted((*contents(before), "go/7f/new"))
    prints = {part.fingerprint() for part in before}
    assert len([part for part in after if part.fingerprint() not in prints]) == 1


def test_what_a_tree_needs_of_a_registry_has_a_limit() -> None:
    chain = []
    for depth in range(200):
        path = "/".join("d" * (depth + 1))
        chain += [folder(path), file(f"{path}/f", 10 * KIB)]
    entries = tuple(sorted(chain, key=lambda entry: entry.path.split("/")))
    parts = split(entries, part_bytes=8 * KIB, max_parts=50)
    assert 2 < len(parts) <= 50
    assert len(contents(parts)) == 200


def test_writing_to_a_file_shows_even_when_size_and_time_stay() -> None:
    part = Part(entries=(file("a", 1),))
    assert part.fingerprint() == Part(entries=(file("a", 1),)).fingerprint()
    assert part.fingerprint() != Part(entries=(file("a", 1, ctime_ns=2),)).fingerprint()
    assert part.fingerprint() != Part(entries=(file("a", 1, inode=2),)).fingerprint()
    assert part.fingerprint() != Part(entries=(file("b", 1),)).fingerprint()


def test_a_real_tree_is_split_by_folder(tmp_path: Path) -> None:
    for name in ("rust/target", "rust/toolchain"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "data").write_bytes(b"x" * 20 * KIB)
    parts = split(list_tree(tmp_path), part_bytes=30 * KIB)
    assert {part.paths[-1] for part in parts} == {"rust/target/data", "rust/toolchain/data"}
