"""Layers that try to act outside of the root they are unpacked into, and odd ones that may stay.

Each case is one or more uncompressed layers, or functions that make them from the absolute path of
a tree that no image may touch.
"""

import tarfile
from collections.abc import Callable, Mapping

from oci.location import ImageLocation
from tests.corpus.image_case import ImageCase, Place
from tests.support.images import make_image
from tests.support.raw_tar import archive, extended, header, with_checksum

_LINK, _HARD, _FOLDER = tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE
_UP = "../" * 24
_Layer = Callable[[str], bytes]


def _case(
    name: str, *layers: _Layer | bytes, refused: str = "", holds: Mapping[str, bytes] | None = None
) -> ImageCase:
    def make(place: Place) -> ImageLocation:
        canary = str(place.canary)
        made = [layer if isinstance(layer, bytes) else layer(canary) for layer in layers]
        layout = make_image(place.folder / "image", layers=made)
        return ImageLocation.layout(layout.path, "latest")

    return ImageCase(name=name, make=make, refused=refused, holds=dict(holds or {}))


def _file(name: str, data: bytes = b"x", *, mode: int = 0o755) -> bytes:
    return header(name, tarfile.REGTYPE, data, mode=mode)


def _long(name: str, kind: bytes = tarfile.GNUTYPE_LONGNAME) -> bytes:
    return header("././@LongLink", kind, name.encode() + b"\0")


_PARENT = r"an entry with `\.\.` in its name"
_WHITEOUT = "a whiteout of nothing or of a parent"
_NOT_UNPACKED = "cannot be unpacked"

PATHS = (
    *(
        _case(f"a name with a parent in it: {name}", archive(_file(name)), refused=_PARENT)
        for name in ("../x", "a/../../x", "a/..", "/../x", "./../x", "a//../x", f"{_UP}tmp/x")
    ),
    _case(
        "a parent in an extended header's name",
        archive(extended({"path": "../x"}), _file("x")),
        refused=_PARENT,
    ),
    _case("a parent in a long name", archive(_long("../x"), _file("x")), refused=_PARENT),
    _case(
        "an absolute name, which means the image's root",
        archive(_file("/etc/motd", b"inside")),
        holds={"etc/motd": b"inside"},
    ),
    _case("an absolute name of the canary", lambda c: archive(_file(f"{c}/precious", b"evil"[:4]))),
    _case("a NUL in a name", archive(extended({"path": b"a\0b"}), _file("x")), refused="NUL"),
    _case(
        "a part of 300 bytes",
        archive(extended({"path": "a" * 300}), _file("x")),
        refused="no file system takes",
    ),
    _case(
        "a path of 5000 bytes",
        archive(extended({"path": "d" * 200 + ("/" + "d" * 200) * 24}), _file("x")),
        refused="a name that is too long",
    ),
    _case(
        "a path of 100 folders",
        archive(extended({"path": "d/" * 100 + "x"}), _file("x", b"deep")),
        holds={"d/" * 100 + "x": b"deep"},
    ),
    _case(
        "a path of 1000 folders",
        archive(extended({"path": "d/" * 1000 + "x"}), _file("x", b"deep")),
        refused="too many folders deep",
    ),
    _case("a newline in a name", archive(_file("a\nb")), holds={"a\nb": b"x"}),
    _case("escape sequences in a name", archive(_file("\x1b[2J\x1b]52;c;eA==\x07")),
          holds={"\x1b[2J\x1b]52;c;eA==\x07": b"x"}),
    _case("escape sequences in a name that is refused", archive(_file("\x1b[2J/../x")),
          refused=_PARENT),
    _case("a name that is no UTF-8", archive(_file("\udcff\udcfe"))),
    _case("right to left in a name that is refused", archive(_file("\u202ex/../y")),
          refused=_PARENT),
)  # fmt: skip

SYMLINKS = (
    _case(
        "a link to the canary, and a file through it",
        lambda c: archive(header("out", _LINK, link=c), _file("out/planted")),
    ),
    _case(
        "the same in two layers",
        lambda c: archive(header("out", _LINK, link=c)),
        archive(_file("out/planted")),
    ),
    _case(
        "a relative link far up, and a file through it",
        lambda c: archive(_long(_UP + c[1:], b"K"), header("out", _LINK, link="x"),
                          _file("out/planted")),
    ),
    _case(
        "a chain of links over three layers",
        lambda c: archive(header("a", _LINK, link=c)),
        archive(header("b", _LINK, link="a")),
        archive(_file("b/planted")),
    ),
    _case(
        "a folder that the next layer makes a link",
        archive(header("dir", _FOLDER), _file("dir/a")),
        lambda c: archive(header("dir", _LINK, link=c)),
        archive(_file("dir/planted")),
    ),
    _case(
        "a file written over a link to the canary",
        lambda c: archive(header("f", _LINK, link=f"{c}/precious")),
        archive(_file("f", b"mine")),
        holds={"f": b"mine"},
    ),
    _case(
        "a folder made over a link to the canary",
        lambda c: archive(header("d", _LINK, link=c)),
        archive(header("d", _FOLDER, mode=0o777)),
    ),
    _case(
        "a link through the kernel's own",
        lambda c: archive(
            header("out", _LINK, link=f"/proc/self/root{c}"), _file("out/planted")
        ),
    ),
    _case(
        "links in a circle, and a file through them",
        archive(header("a", _LINK, link="b"), header("b", _LINK, link="a"), _file("a/x")),
        refused=_NOT_UNPACKED,
    ),
    _case("a link to nowhere", archive(header("a", _LINK)), refused="a link to nowhere"),
    _case(
        "a link with a NUL in it",
        archive(extended({"linkpath": b"a\0b"}), header("a", _LINK, link="a")),
        refused="damaged|NUL|nowhere",
    ),
    _case(
        "a link of 5000 bytes",
        archive(extended({"linkpath": "b" * 5000}), header("a", _LINK, link="b")),
        refused="too long",
    ),
)  # fmt: skip

HARD_LINKS = (
    _case(
        "a hard link up to the canary",
        lambda c: archive(_long(_UP + c[1:], b"K"), header("x", _HARD, link="x")),
        refused=_PARENT,
    ),
    _case(
        "a hard link to the canary's absolute path",
        lambda c: archive(_long(f"{c}/precious", b"K"), header("x", _HARD, link="x")),
        refused=_NOT_UNPACKED,
    ),
    _case(
        "a hard link to a link to the canary, and a file over it",
        lambda c: archive(
            header("l", _LINK, link=f"{c}/precious"),
            header("h", _HARD, link="l"),
        ),
        archive(_file("h", b"mine")),
        holds={"h": b"mine"},
    ),
    _case(
        "a hard link through a link to the canary",
        lambda c: archive(
            header("out", _LINK, link=c), header("h", _HARD, link="out/precious")
        ),
        refused=_NOT_UNPACKED,
    ),
    _case(
        "a hard link to nothing",
        archive(header("h", _HARD, link="absent")),
        refused=_NOT_UNPACKED,
    ),
    _case(
        "a hard link to a folder",
        archive(header("d", _FOLDER), header("h", _HARD, link="d")),
        refused=_NOT_UNPACKED,
    ),
    _case("a hard link to itself", archive(header("h", _HARD, link="h")), refused=_NOT_UNPACKED),
    _case(
        "a hard link to a whiteout of a parent",
        archive(header("h", _HARD, link="a/.wh...")),
        refused=_WHITEOUT,
    ),
)  # fmt: skip

ROOTS = tuple(
    _case(
        f"the root as {kind}: {name}",
        lambda c, name=name, flag=flag: archive(header(name, flag, link=c)),  # type: ignore[misc]
        refused="in place of the root folder",
    )
    for name in (".", "/", "./", "/./")
    for kind, flag in (("a link", _LINK), ("a file", tarfile.REGTYPE), ("a hard link", _HARD))
)

WHITEOUTS = (
    *(
        _case(f"a whiteout of nothing or a parent: {name}", archive(_file(name, b"")),
              refused=_WHITEOUT)
        for name in (".wh.", ".wh..", ".wh...", "a/.wh.", "a/.wh..", "a/.wh...", "a/.wh.../.")
    ),
    _case(
        "a whiteout of a parent in an extended header",
        archive(header("a", _FOLDER), extended({"path": "a/.wh..."}), _file("x", b"")),
        refused=_WHITEOUT,
    ),
    _case(
        "a whiteout through a link to the canary",
        lambda c: archive(header("out", _LINK, link=c)),
        archive(_file("out/.wh.precious", b"")),
    ),
    _case(
        "an opaque whiteout through a link to the canary",
        lambda c: archive(header("out", _LINK, link=c)),
        archive(_file("out/.wh..wh..opq", b"")),
    ),
    _case("a whiteout of what is not there", archive(_file(".wh.absent", b""))),
    _case(
        "a whiteout after the file, in the same layer",
        archive(_file("a", b"kept"), _file(".wh.a", b"")),
    ),
    _case("a whiteout of a file below", archive(_file("gone"), _file("kept")),
          archive(_file(".wh.gone", b"")), holds={"kept": b"x"}),
    _case("an opaque root", archive(_file("gone")), archive(_file(".wh..wh..opq", b""), _file("k")),
          holds={"k": b"x"}),
    _case("a file below a whiteout", archive(_file("a/.wh.b/c")), refused="below a whiteout"),
    _case("a whiteout with what it hides twice", archive(_file("a")),
          archive(_file(".wh.a", b""), _file(".wh.a", b""))),
)  # fmt: skip

KINDS = (
    *(
        _case(f"an entry of kind {kind!r}", archive(header("x", kind)),
              refused="kind that no layer needs|extensions that contradict|damaged")
        for kind in (b"S", b"V", b"M", b"D", b"N", b"Z", b"s", b"X")
    ),
    _case(
        "a sparse file of 8 TiB in an extended header",
        archive(
            extended({"GNU.sparse.major": "1", "GNU.sparse.minor": "0",
                      "GNU.sparse.realsize": str(8 << 40), "GNU.sparse.name": "big"}),
            _file("x", b"0\n" + b"\0" * 510),
        ),
        refused="form that no layer needs",
    ),
    *(
        _case(f"a device: {name}", archive(header("dev/x", kind)))
        for name, kind in (("character", tarfile.CHRTYPE), ("block", tarfile.BLKTYPE))
    ),
    _case("a FIFO", archive(header("fifo", tarfile.FIFOTYPE))),
)  # fmt: skip

OWNERS_AND_MODES = (
    _case("a program with every special bit", archive(_file("su", b"#!", mode=0o7777))),
    _case(
        "a folder that nobody may enter",
        archive(header("locked", _FOLDER, mode=0), _file("locked/in", mode=0)),
    ),
    _case("a root that nobody may enter", archive(header("./", _FOLDER, mode=0), _file("x"))),
    *(
        _case(f"the owner {owner}", archive(header("x", owner=owner, gnu=True)),
              refused=f"belongs to the user {owner}")
        for owner in (65536, 2_097_152, 4_294_967_294)
    ),
    _case(
        "a negative owner",
        archive(header("x", owner=-1, gnu=True)),
        refused="negative owner|damaged|cannot be read",
    ),
    *(
        _case(f"the attribute {name}", archive(extended({f"SCHILY.xattr.{name}": value}),
                                             _file("x")))
        for name, value in (
            ("user.comment", b"hi"),
            ("trusted.overlay.opaque", b"y"),
            ("security.selinux", b"system_u:object_r:bin_t:s0"),
            ("security.capability", b"\x01\0\0\x02\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
        )
    ),
)  # fmt: skip

_GNU_NEGATIVE = with_checksum(header("x")[:124] + b"\xff" * 12 + header("x")[136:])
HEADERS = (
    _case(
        "an extended header of 2 MB",
        archive(header("pax", b"x", b"x" * (2 << 20)), _file("x")),
        refused="a header with a size of",
    ),
    _case("a negative size", archive(_GNU_NEGATIVE), refused="a header with a size|damaged"),
    _case("a time before the epoch", archive(extended({"mtime": "-5"}), _file("x"))),
    _case("a file and another one of its name", archive(_file("a", b"1"), _file("a", b"2")),
          holds={"a": b"2"}),
    _case("a file with a child", archive(_file("a"), _file("a/b")), refused=_NOT_UNPACKED),
    _case("a folder that becomes a file", archive(header("a", _FOLDER), _file("a/b"), _file("a")),
          holds={"a": b"x"}),
    _case(
        "a header with a wrong sum",
        archive(_file("a"), _file("b").replace(b"ustar", b"USTAR"), _file("../x")),
        refused="cannot be read",
    ),
    _case(
        "an entry after one block of zeros",
        archive(_file("a"), b"\0" * 512, _file("../x")),
        refused="data after its end",
    ),
    _case("data after the end", archive(_file("a")) + b"more" * 128, refused="data after its end"),
    _case(
        "a name for all entries",
        archive(extended({"path": "safe"}, b"g"), _file(".wh...")),
        refused="form that no layer needs",
    ),
    _case(
        "two extended headers",
        archive(extended({"path": "safe"}), extended({"path": "../x"}), _file("a")),
        refused="contradict",
    ),
    _case(
        "a long name within an extended header",
        archive(extended({"path": "safe"}), _long("../x"), _file("a")),
        refused="contradict",
    ),
    _case("an extended header of nonsense",
          archive(header("pax", b"x", b"nonsense"), _file("a")),
          refused="cannot be read|damaged"),
    _case("more content than there is", header("a", size=1 << 30), refused="damaged"),
    _case("no archive", b"neither tar nor gzip" * 100, refused="damaged|cannot be read"),
    _case("an empty archive", archive()),
    _case("no bytes at all", b"", refused="damaged"),
)  # fmt: skip

CASES = (
    *PATHS, *SYMLINKS, *HARD_LINKS, *ROOTS, *WHITEOUTS, *KINDS, *OWNERS_AND_MODES, *HEADERS,
)  # fmt: skip
