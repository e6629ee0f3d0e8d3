"""Layers of strangers, read before any tool unpacks them."""

import gzip
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from oci.digest import Digest
from oci.errors import ImageError
from oci.image import OCI_LAYER_GZIP, OCI_LAYER_TAR, OCI_LAYER_ZSTD
from oci.layer_scan import LayerSummary, ScanLimits, check_name, scan_layer
from tests.support.images import tar_layer, tar_member
from tests.support.raw_tar import archive, header, pax
from tests.support.zstd import zstd_compress

DOCKER_GZIP = "application/vnd.docker.image.rootfs.diff.tar.gzip"
COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    OCI_LAYER_TAR: bytes,
    OCI_LAYER_ZSTD: zstd_compress,
}


def scan(
    folder: Path,
    layer: bytes,
    *,
    blob: bytes | None = None,
    media_type: str = OCI_LAYER_GZIP,
    limits: ScanLimits | None = None,
) -> LayerSummary:
    """Scan `layer` as an image would hold it; `blob` replaces the stored form."""
    path = folder / "blob"
    compress = COMPRESS.get(media_type, gzip.compress)
    path.write_bytes(blob if blob is not None else compress(layer))
    return scan_layer(path, media_type=media_type, diff_id=Digest.of(layer), limits=limits)


@pytest.mark.parametrize("media_type", [OCI_LAYER_GZIP, OCI_LAYER_TAR, OCI_LAYER_ZSTD, DOCKER_GZIP])
def test_an_ordinary_layer_is_counted(tmp_path: Path, media_type: str) -> None:
    layer = tar_layer({"etc/a": "1", "etc/b": "2" * 5000})
    summary = scan(tmp_path, layer, media_type=media_type)
    assert summary == LayerSummary(entries=3, size_bytes=len(layer))


@pytest.mark.parametrize("pax_form", [False, True])
def test_what_real_layers_hold_is_accepted(tmp_path: Path, pax_form: bool) -> None:
    long = "long/" * 40 + "name"
    layer = tar_layer(
        {long: "deep", "with\nnewline": "", "nicht-ascii-ä": ""},
        members=[
            tar_member("./dir/", kind=tarfile.DIRTYPE),
            tar_member("/absolute", size=3),
            tar_member("link", kind=tarfile.SYMTYPE, link="../../../etc/passwd"),
            tar_member(long + "2", kind=tarfile.LNKTYPE, link=long),
            tar_member("dev/null", kind=tarfile.CHRTYPE),
            tar_member("fifo", kind=tarfile.FIFOTYPE),
            tar_member("dir/.wh..wh..opq"),
            tar_member("dir/.wh.gone"),
            tar_member("..data"),
        ],
        pax=pax_form,
    )
    assert scan(tmp_path, layer).entries > 10


def test_an_empty_layer_and_one_without_an_end_mark_are_accepted(tmp_path: Path) -> None:
    assert scan(tmp_path, b"\0" * 1024).entries == 0
    assert scan(tmp_path, header("a", data=b"x")).entries == 1


@pytest.mark.parametrize("padding", [512, 9 * 1024, 1 << 20])
def test_zeros_after_the_end_mark_are_padding(tmp_path: Path, padding: int) -> None:
    layer = archive(header("a")) + b"\0" * padding
    assert scan(tmp_path, layer).size_bytes == len(layer)


@pytest.mark.parametrize(
    "name",
    ["..", "../x", "a/../../x", "a/..", "/../x", "./../x", "a//../x"],
)
def test_a_parent_in_a_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ImageError, match=r"`\.\.` in its name"):
        scan(tmp_path, archive(header(name)))


@pytest.mark.parametrize(
    "name",
    [".wh.", ".wh..", ".wh...", "a/.wh.", "a/.wh..", "a/.wh...", "/.wh...", "a/.wh.../",
     "a/.wh.../.", "a/.wh..././/"],
)  # fmt: skip
def test_a_whiteout_of_nothing_or_of_a_parent_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ImageError, match="whiteout of nothing or of a parent"):
        scan(tmp_path, archive(header(name)))


@pytest.mark.parametrize("name", [".wh.x", ".wh....", ".wh..x", ".wh..wh..opq", ".wh", "a.wh..."])
def test_other_whiteouts_are_accepted(name: str) -> None:
    check_name(f"dir/{name}")


@pytest.mark.parametrize("link", ["../x", "a/../../etc/passwd", ".."])
def test_a_hard_link_through_a_parent_is_refused(tmp_path: Path, link: str) -> None:
    with pytest.raises(ImageError, match=r"`\.\.` in its name"):
        scan(tmp_path, archive(header("x", tarfile.LNKTYPE, link=link)))


def test_a_name_from_an_extended_header_counts(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"`\.\.` in its name"):
        scan(tmp_path, archive(header("x", b"x", pax({"path": "a/../../b"})), header("harmless")))


EVIL, SAFE = pax({"path": "../evil"}), pax({"path": "safe"})
READ_DIFFERENTLY = {
    "a global name": archive(header("g", b"g", SAFE), header(".wh...")),
    "a global size": archive(header("g", b"g", pax({"size": "512"})), header("a")),
    "two extended headers": archive(header("1", b"x", SAFE), header("2", b"x", EVIL), header("a")),
    "a long name within an extended header": archive(
        header("1", b"x", SAFE), header("2", b"L", b"../evil\0"), header("a")
    ),
    "two long names": archive(
        header("1", b"L", b"safe\0"), header("2", b"L", b"../evil\0"), header("a")
    ),
    "a folder by its extended name only": archive(
        header("1", b"x", pax({"path": "dir/"})),
        header("a", tarfile.AREGTYPE, header("../evil")),
    ),
    "a sparse name": archive(
        header("1", b"x", pax({"GNU.sparse.name": "safe", "path": "safe"})), header("a")
    ),
    "many extended headers": archive(*[header("x", b"x", SAFE)] * 5000, header("a")),
    "a header with a wrong sum": archive(
        header("a"), header("b").replace(b"ustar", b"USTAR"), header("../evil")
    ),
    "one block of zeros": archive(header("a"), b"\0" * 512, header("../evil")),
    "an extended header that cannot be read": archive(
        header("a"), header("x", b"x", b"nonsense"), header("../evil")
    ),
}


@pytest.mark.parametrize("layer", READ_DIFFERENTLY.values(), ids=READ_DIFFERENTLY.keys())
def test_what_readers_of_tar_read_differently_is_refused(tmp_path: Path, layer: bytes) -> None:
    with pytest.raises(ImageError):
        scan(tmp_path, layer)


def test_a_global_comment_is_harmless(tmp_path: Path) -> None:
    layer = archive(header("g", b"g", pax({"comment": "made by git archive"})), header("a"))
    assert scan(tmp_path, layer).entries == 1


def test_a_huge_extended_header_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="a header with a size of"):
        scan(tmp_path, header("x", b"x", size=4 << 30))


def test_garbage_after_the_end_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="data after its end"):
        scan(tmp_path, archive(header("a")) + b"\0" * 20480 + b"more")


@pytest.mark.parametrize("kept", [0, 10, 100, -5])
def test_truncated_gzip_is_refused(tmp_path: Path, kept: int) -> None:
    layer = tar_layer({"a": bytes(range(256)) * 40})
    blob = gzip.compress(layer)[:kept]
    with pytest.raises(ImageError, match="damaged"):
        scan(tmp_path, layer, blob=blob)


@pytest.mark.parametrize(
    ("blob", "media_type"),
    [
        (b"neither tar nor gzip" * 100, OCI_LAYER_GZIP),
        (b"neither tar nor gzip" * 100, OCI_LAYER_TAR),
        (tar_layer({"a": "x"}), OCI_LAYER_GZIP),
        (gzip.compress(tar_layer({"a": "x"})), OCI_LAYER_TAR),
        (gzip.compress(tar_layer({"a": "x"})) + b"garbage", OCI_LAYER_GZIP),
        (b"", OCI_LAYER_TAR),
    ],
)
def test_what_is_not_as_labelled_is_refused(tmp_path: Path, blob: bytes, media_type: str) -> None:
    with pytest.raises(ImageError):
        scan(tmp_path, tar_layer({"a": "x"}), blob=blob, media_type=media_type)


def test_a_truncated_archive_is_refused(tmp_path: Path) -> None:
    whole = tar_layer({"a": "x" * 5000})
    for length in (100, 512, 1000, 5000):
        with pytest.raises(ImageError):
            scan(tmp_path, whole[:length], media_type=OCI_LAYER_TAR)


def test_another_content_than_the_image_says_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "blob"
    path.write_bytes(gzip.compress(tar_layer({"a": "other"})))
    with pytest.raises(ImageError, match="does not hold what the image says"):
        scan_layer(path, media_type=OCI_LAYER_GZIP, diff_id=Digest.of(tar_layer({"a": "x"})))


def test_padding_counts_for_the_digest(tmp_path: Path) -> None:
    layer = archive(header("a"))
    with pytest.raises(ImageError, match="does not hold what the image says"):
        scan(tmp_path, layer, blob=gzip.compress(layer + b"\0" * 512))


@pytest.mark.parametrize("media_type", ["application/x-unknown", "", "\x1b[2J"])
def test_a_form_that_nobody_knows_is_refused(tmp_path: Path, media_type: str) -> None:
    with pytest.raises(ImageError, match="which is not supported") as caught:
        scan(tmp_path, tar_layer({}), media_type=media_type)
    assert caught.value.message.isprintable()


@pytest.mark.parametrize(
    "media_type",
    [
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
    ],
)
def test_layers_that_come_from_elsewhere_are_refused(tmp_path: Path, media_type: str) -> None:
    with pytest.raises(ImageError, match="may not be distributed with the image"):
        scan(tmp_path, tar_layer({}), media_type=media_type)


def test_a_bomb_is_given_up_at_the_limit(tmp_path: Path) -> None:
    layer = tar_layer({"zeros": b"\0" * (32 << 20)})
    with pytest.raises(ImageError, match="larger than 1048576 bytes uncompressed"):
        scan(tmp_path, layer, limits=ScanLimits(size_bytes=1 << 20))


def test_too_many_entries_are_refused(tmp_path: Path) -> None:
    layer = archive(*[header("a")] * 11)
    with pytest.raises(ImageError, match="more than 10 entries"):
        scan(tmp_path, layer, limits=ScanLimits(entries=10))
    assert scan(tmp_path, layer, limits=ScanLimits(entries=11)).entries == 11


def test_too_long_a_name_is_refused(tmp_path: Path) -> None:
    layer = tar_layer({}, members=[tar_member("d/" * 3000)])
    with pytest.raises(ImageError, match="entry 1 has a name that is too long"):
        scan(tmp_path, layer)
