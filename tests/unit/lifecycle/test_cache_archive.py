"""Caches in one archive: round trips, and archives of strangers."""

import gzip
import io
import json
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from lifecycle.cache_archive import read_archive, write_archive
from lifecycle.cache_copy import copy_cache
from lifecycle.caches import BuildCache, CacheIdentity
from oci.errors import ImageError, StorageError
from tests.support.build_caches import filled, layer_tar, locate, raw_tar, state_of

Member = tuple[str, bytes, bytes | str]
END: Member = ("locald-cache.end", tarfile.REGTYPE, b"")


def archive_of(*caches: BuildCache) -> bytes:
    written = bytearray()
    write_archive(caches, written.extend)
    return bytes(written)


def place(data: bytes, *caches: BuildCache | None) -> tuple[BuildCache, ...]:
    return read_archive(
        io.BufferedReader(io.BytesIO(data)),
        origin="FILE",
        choose=lambda identities: caches[: len(identities)],
    )


def index(cache: BuildCache, **changes: object) -> Member:
    document = {"version": 1, "caches": [msgspec.to_builtins(cache.identity)], **changes}
    return ("locald-cache.json", tarfile.REGTYPE, json.dumps(document).encode())


@pytest.mark.parametrize("packed", [bytes, gzip.compress])
def test_caches_come_back_byte_for_byte(tmp_path: Path, packed: Callable[[bytes], bytes]) -> None:
    web, api = filled(tmp_path / "ours", service="web"), filled(tmp_path / "ours", service="api")
    (api.build / "more").write_text("more")
    theirs = (locate(tmp_path / "b", service="web"), locate(tmp_path / "b", service="api"))
    changed = place(packed(archive_of(web, api)), *theirs)
    assert set(changed) == set(theirs)
    assert [state_of(cache) for cache in theirs] == [state_of(web), state_of(api)]
    assert archive_of(*theirs) == archive_of(web, api)


def test_only_the_chosen_caches_change(tmp_path: Path) -> None:
    web, api = filled(tmp_path / "ours", service="web"), filled(tmp_path / "ours", service="api")
    theirs = locate(tmp_path / "b", service="api")
    assert place(archive_of(web, api), None, theirs) == (theirs,)
    assert state_of(theirs) == state_of(api)


def test_what_was_there_is_replaced_and_not_mixed(tmp_path: Path) -> None:
    ours, theirs = filled(tmp_path / "ours"), filled(tmp_path / "theirs")
    (theirs.build / "only here").touch()
    (theirs.image).mkdir()
    (theirs.image / "state.json").touch()
    place(archive_of(ours), theirs)
    assert state_of(theirs) == state_of(ours)
    assert list(theirs.image.iterdir()) == []


def test_an_archive_tells_whose_caches_it_has_but_not_where(tmp_path: Path) -> None:
    seen: list[tuple[CacheIdentity, ...]] = []

    def choose(identities: tuple[CacheIdentity, ...]) -> tuple[None, ...]:
        seen.append(identities)
        return (None,)

    cache = filled(tmp_path)
    stream = io.BufferedReader(io.BytesIO(archive_of(cache)))
    read_archive(stream, origin="FILE", choose=choose)
    assert seen == [(msgspec.structs.replace(cache.identity, app_dir=""),)]


def test_nothing_outside_the_cache_is_archived(tmp_path: Path) -> None:
    cache = filled(tmp_path / "caches")
    (tmp_path / "key").write_text("do not tell")
    (cache.build / "key").symlink_to(tmp_path / "key")
    (cache.lifecycle / "committed" / f"sha256:{'1' * 64}.tar").symlink_to(tmp_path / "key")
    (cache.lifecycle / "committed/other").write_text("do not tell")
    os.mkfifo(cache.build / "fifo")
    assert b"do not tell" not in archive_of(cache)


@pytest.mark.parametrize("keep", [0, 1, 511, 600, 3000, -1025, -1536])
def test_an_archive_that_was_cut_off_changes_nothing(tmp_path: Path, keep: int) -> None:
    data, theirs = archive_of(filled(tmp_path / "ours")), filled(tmp_path / "theirs")
    before = state_of(theirs)
    with pytest.raises(ImageError, match="FILE"):
        place(data[:keep], theirs)
    assert state_of(theirs) == before


@pytest.mark.parametrize("at", [30, -6])
def test_a_compressed_archive_that_was_damaged_changes_nothing(tmp_path: Path, at: int) -> None:
    data = bytearray(gzip.compress(archive_of(filled(tmp_path / "ours"))))
    data[at] ^= 0xFF
    theirs = filled(tmp_path / "theirs")
    before = state_of(theirs)
    with pytest.raises(ImageError, match="FILE"):
        place(bytes(data), theirs)
    assert state_of(theirs) == before


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([("0/build/../../../x", tarfile.REGTYPE, b"")], "leads out"),
        ([("0/../x", tarfile.REGTYPE, b"")], "no cache"),
        ([("/x", tarfile.REGTYPE, b"")], "no cache"),
        ([("1/build/x", tarfile.REGTYPE, b"")], "no cache"),
        ([("00/build/x", tarfile.REGTYPE, b"")], "no cache"),
        ([("0/lock", tarfile.REGTYPE, b"")], "no cache"),
        ([("0/image/x", tarfile.REGTYPE, b"")], "no cache"),
        ([("0/lifecycle/staging/x", tarfile.REGTYPE, b"")], "no cache"),
        ([("0/build", tarfile.SYMTYPE, "/etc")], "no cache"),
        (
            [("0/build/a", tarfile.SYMTYPE, "/etc"), ("0/build/a/x", tarfile.REGTYPE, b"")],
            "written through",
        ),
        ([("0/build/a", tarfile.LNKTYPE, "/etc/passwd")], "another"),
        ([("0/build/a", tarfile.LNKTYPE, "1/build/b")], "another"),
        ([("0/build/a", tarfile.LNKTYPE, "0/../../x")], "leads out"),
        ([("0/build/a", tarfile.CHRTYPE, "")], "neither a file"),
        ([("0/lifecycle/committed/x", tarfile.REGTYPE, b"")], "no lifecycle makes"),
        ([("0/lifecycle/committed/x/y", tarfile.REGTYPE, b"")], "a link or a folder"),
        (
            [(f"0/lifecycle/committed/sha256:{'0' * 64}.tar", tarfile.SYMTYPE, "/etc/passwd")],
            "a link or a folder",
        ),
        (
            [(f"0/lifecycle/committed/sha256:{'0' * 64}.tar", tarfile.REGTYPE, layer_tar({}))],
            "does not hold what its name says",
        ),
        (
            [("0/lifecycle/committed/io.buildpacks.lifecycle.cache.metadata",
              tarfile.REGTYPE, b"[")],
            "metadata cannot be read",
        ),
        ([END, ("0/build/x", tarfile.REGTYPE, b"")], "after its end"),
    ],
)  # fmt: skip
def test_what_a_stranger_may_try_is_refused(
    tmp_path: Path, members: list[Member], message: str
) -> None:
    theirs = filled(tmp_path / "theirs")
    before = state_of(theirs)
    with pytest.raises(ImageError, match=rf"FILE.*{message}"):
        place(raw_tar(index(theirs), *members, END), theirs)
    assert state_of(theirs) == before
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no cache of locald"),
        (b"some text\n" * 100, "cannot be read"),
        (gzip.compress(b"some text\n" * 100), "cannot be read"),
        (raw_tar(("a", tarfile.REGTYPE, b"")), "no cache of locald"),
        (raw_tar(("locald-cache.json", tarfile.SYMTYPE, "/etc/passwd")), "no cache of locald"),
        (raw_tar(("locald-cache.json", tarfile.REGTYPE, b"{}")), "cannot be read"),
    ],
)
def test_what_is_no_archive_of_caches_is_told(tmp_path: Path, data: bytes, message: str) -> None:
    with pytest.raises(ImageError, match=rf"FILE.*{message}"):
        place(data, locate(tmp_path))


def test_a_form_of_the_future_is_told(tmp_path: Path) -> None:
    cache = locate(tmp_path)
    with pytest.raises(ImageError, match="another version of locald"):
        place(raw_tar(index(cache, version=2), END), cache)


def test_no_archive_takes_away_the_rights_to_the_cache(tmp_path: Path) -> None:
    theirs = locate(tmp_path / "theirs")
    place(archive_of(locate(tmp_path / "ours")), theirs)
    for folder in (theirs.lifecycle, theirs.build):
        assert folder.stat().st_mode & 0o777 == 0o700


def test_a_cache_that_may_hold_a_secret_goes_nowhere(tmp_path: Path) -> None:
    cache, other = filled(tmp_path), locate(tmp_path / "other")
    cache.unsearched.touch()
    with pytest.raises(StorageError, match="may hold a secret"):
        archive_of(cache)
    with pytest.raises(StorageError, match="may hold a secret"):
        copy_cache(cache, other)
    assert other.empty
