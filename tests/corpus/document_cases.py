"""Manifests, configurations and indexes that lie, contradict themselves or cannot be read."""

import gzip
from collections.abc import Callable
from typing import Any

from oci.digest import Digest
from oci.image import DOCKER_MANIFEST
from tests.corpus.made_image import CONTENT, Json, made_case, with_config, with_layer

_BLOB = gzip.compress(CONTENT, mtime=0)
_OTHER = str(Digest.of(b"something else"))
_DEEP = b"[" * 100_000 + b"]" * 100_000


def _with_entry(**fields: Any) -> Callable[[Json], object]:
    return lambda index: index["manifests"][0].update(fields)


def _key(text: bytes) -> Callable[[bytes], bytes]:
    """One key more, as its first, written as told."""
    return lambda document: b"{" + text + b"," + document[1:]


_WRONG_SIZES = {
    "five bytes more": len(_BLOB) + 5,
    "five bytes less": len(_BLOB) - 5,
    "no bytes": 0,
    "a negative number": -1,
    "more than any disk": 1 << 62,
    "more than 64 bits": 10**30,
    "a fraction": 1.5,
    "text": "100",
    "true": True,
    "null": None,
}
SIZES = (
    *(
        made_case(
            f"a layer whose size is {name}",
            edit_manifest=with_layer(size=size),
            refused=r"bytes, the manifest says|the manifest cannot be read: .*size",
        )
        for name, size in _WRONG_SIZES.items()
    ),
    made_case(
        "a configuration of another size",
        edit_manifest=with_config(size=7),
        refused="the configuration .* bytes, its descriptor says 7",
    ),
    made_case(
        "a manifest of another size",
        edit_index=_with_entry(size=7),
        refused="the manifest .* bytes, its descriptor says 7",
    ),
    made_case(
        "one layer with two sizes",
        edit_manifest=lambda m: m.update(
            layers=[m["layers"][0], {**m["layers"][0], "size": 1}]
        ),
        edit_config=lambda c: c["rootfs"]["diff_ids"].append(c["rootfs"]["diff_ids"][0]),
        refused="has two sizes",
    ),
    made_case(
        "layers of more bytes than an image may have",
        edit_manifest=with_layer(size=1 << 39),
        refused="its layers are larger than",
    ),
)  # fmt: skip

_BAD_DIGESTS = {
    "a path": "sha256:../../../../etc/passwd",
    "a short one": "sha256:abc",
    "upper case": "sha256:" + "A" * 64,
    "another algorithm": "sha512:" + "a" * 128,
    "nothing": "",
    "escape sequences": "sha256:\x1b[2J",
    "a newline": "sha256:" + "a" * 64 + "\n",
}
DIGESTS = (
    *(
        made_case(
            f"a {what} whose digest is {name}",
            edit_manifest=edit(digest=digest),
            refused="not a sha256 digest",
        )
        for name, digest in _BAD_DIGESTS.items()
        for what, edit in (("layer", with_layer), ("configuration", with_config))
    ),
    made_case(
        "a layer that is not there",
        edit_manifest=with_layer(digest=_OTHER),
        refused="the layer .* is missing",
    ),
    made_case(
        "a configuration that is not there",
        edit_manifest=with_config(digest=_OTHER),
        refused="it has no ",
    ),
    made_case(
        "a manifest that is not there", edit_index=_with_entry(digest=_OTHER), refused="it has no "
    ),
    made_case(
        "a diffID of another layer",
        edit_config=lambda c: c["rootfs"].update(diff_ids=[_OTHER]),
        refused="does not hold what the image says",
    ),
    made_case(
        "a diffID that is none",
        edit_config=lambda c: c["rootfs"].update(diff_ids=["sha256:../x"]),
        refused="not a sha256 digest",
    ),
    *(
        made_case(
            f"{count} diffIDs for one layer",
            edit_config=lambda c, count=count: c["rootfs"].update(
                diff_ids=c["rootfs"]["diff_ids"] * count
            ),
            refused=f"the manifest has 1 layers, the configuration {count}",
        )
        for count in (0, 2, 100)
    ),
)

_AMBIGUOUS = {
    "a manifest": "raw_manifest",
    "a configuration": "raw_config",
    "an index": "raw_index",
}
_BROKEN: dict[str, Callable[[bytes], bytes]] = {
    "is nested 100,000 deep": _key(b'"x":' + _DEEP),
    "is nested 200 deep": _key(b'"x":' + b"[" * 200 + b"]" * 200),
    "has a key twice": lambda data: data[:-1] + b',"x":1,"x":2}',
    "is no UTF-8": _key(b'"x":"\xff\xfe"'),
    "has half a surrogate pair": _key(b'"x":"\\ud800"'),
    "starts with a byte order mark": lambda data: b"\xef\xbb\xbf" + data,
    "is cut off": lambda data: data[: len(data) // 2],
    "is empty": lambda _: b"",
    "is all zeros": lambda data: b"\0" * len(data),
    "is a list": lambda data: b"[" + data + b"]",
    "is null": lambda _: b"null",
    "has a number of 5,000 digits": _key(b'"x":' + b"9" * 5000),
    "has a number that is none": _key(b'"x":NaN'),
    "is followed by another one": lambda data: data + data,
}
_CANNOT = "cannot be read|nested too deeply|has no image"
JSON = (
    *(
        made_case(f"{what} that {how}", refused=_CANNOT, **{part: change})
        for what, part in _AMBIGUOUS.items()
        for how, change in _BROKEN.items()
    ),
    made_case(
        "a manifest with LAYERS beside its layers",
        raw_manifest=_key(b'"LAYERS":[]'),
        refused=r"a key 'LAYERS', which is not 'layers'",
    ),
    made_case(
        "a manifest with layers that only Go calls so",
        raw_manifest=lambda data: data[:-1] + ',"layer\u017f":[]}'.encode(),
        refused="which is not 'layers'",
    ),
    made_case(
        "a layer with a Digest beside its digest",
        edit_manifest=with_layer(Digest=_OTHER),
        refused=r"a key layers\[0\]\.'Digest', which is not 'digest'",
    ),
    made_case(
        "a configuration with a RootFS",
        edit_config=lambda c: c.update(RootFS={"diff_ids": []}),
        refused="which is not 'rootfs'",
    ),
    made_case(
        "an index with Manifests",
        edit_index=lambda index: index.update(Manifests=[]),
        refused="which is not 'manifests'",
    ),
    made_case(
        "a manifest that is an index as well",
        edit_manifest=lambda m: m.update(manifests=[]),
        refused="two documents at once",
    ),
    made_case(
        "a manifest of five megabytes",
        edit_manifest=lambda m: m.update(annotations={"x": "x" * (5 << 20)}),
        refused="larger than",
    ),
    made_case(
        "a manifest of 10,000 layers",
        edit_manifest=lambda m: m.update(layers=m["layers"] * 10_000),
        refused="more than 512 layers",
    ),
    made_case(
        "labels that differ in case only",
        edit_config=lambda c: c["config"].update(Labels={"name": "a", "Name": "b"}),
    ),
)

_UNKNOWN = "which is not supported"
TYPES = (
    *(
        made_case(f"a layer of type {kind!r}", layer={"mediaType": kind}, refused=_UNKNOWN)
        for kind in (
            "application/x-unknown",
            "",
            "application/vnd.oci.image.layer.v1.tar+lz4",
            "application/vnd.cncf.helm.chart.content.v1.tar+gzip",
            "\x1b]52;c;eA==\x07",
        )
    ),
    *(
        made_case(
            f"a layer that comes from elsewhere: {kind}",
            layer={"mediaType": kind, "urls": ["http://127.0.0.1:1/evil"]},
            refused="may not be distributed with the image",
        )
        for kind in (
            "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
            "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
        )
    ),
    made_case("a layer with addresses, which nobody asks", layer={"urls": ["http://127.0.0.1:1/x"]}),
    made_case("a manifest of another type", media_type="text/plain", refused="is no image"),
    made_case("Docker's first schema", media_type=DOCKER_MANIFEST.replace("v2", "v1"),
          refused="is no image"),
    *(
        made_case(f"a manifest of schema version {version!r}",
              manifest={"schemaVersion": version}, refused="schema version|schemaVersion")
        for version in (1, 3, 10**25, "2")
    ),
    made_case(
        "a manifest that calls itself otherwise than the index",
        manifest={"mediaType": DOCKER_MANIFEST},
        refused="the index says",
    ),
    made_case("a root filesystem of another type",
          edit_config=lambda c: c["rootfs"].update(type="squashfs"), refused="of type 'squashfs'"),
    made_case("another operating system", config={"os": "windows"}, refused="is made for"),
    made_case("another architecture", config={"architecture": "m68k"}, refused="is made for"),
    made_case("escape sequences as architecture", config={"architecture": "\x1b[2J"},
          refused="is made for"),
    made_case("no platform at all", config={"os": "", "architecture": ""}, refused="is made for"),
    *(
        made_case(f"a configuration whose {key} is {value!r}", edit_config=edit,
              refused="configuration cannot be read")
        for key, value, edit in (
            ("Env", 1, lambda c: c["config"].update(Env=1)),
            ("Env", {"A": "b"}, lambda c: c["config"].update(Env={"A": "b"})),
            ("Labels", ["x"], lambda c: c["config"].update(Labels=["x"])),
            ("config", "text", lambda c: c.update(config="text")),
            ("rootfs", [], lambda c: c.update(rootfs=[])),
            ("history", 5, lambda c: c.update(history=5)),
        )
    ),
    made_case("an environment with newlines and escape sequences",
          edit_config=lambda c: c["config"].update(Env=["A=1\nB=2", "\x1b[2J=x", "C"])),
    *(
        made_case(f"a container whose {key} is {value!r}",
              edit_config=lambda c, key=key, value=value: c["config"].update({key: value}))
        for key, value in (
            ("User", "nobody-there"),
            ("User", "4294967296:-1"),
            ("User", "\x1b[2J"),
            ("WorkingDir", "../../.."),
            ("ExposedPorts", {"no port": {}}),
            ("Volumes", {"/../../etc": {}, "": {}}),
            ("Entrypoint", []),
            ("StopSignal", "SIGNOTHING"),
            ("Cmd", ["x" * 100_000]),
        )
    ),
    *(
        made_case(f"the variable {variable!r}", refused="a variable without a name",
              edit_config=lambda c, text=variable: c["config"].update(Env=[text]))
        for variable in ("", "=", "=x", "A\0B=c")
    ),
    made_case("no media type in the manifest", edit_manifest=lambda m: m.pop("mediaType")),
    made_case("3,000 entries of history",
          edit_config=lambda c: c.update(history=[{"created_by": "x"}] * 3000)),
)  # fmt: skip

CASES = (*SIZES, *DIGESTS, *JSON, *TYPES)
