"""An application image of a few megabytes, as the lifecycle's exporter leaves one.

busybox is the base image. The launcher is a shell script that keeps to the launcher's rules: a
name below /cnb/process is a process type, `--` is followed by words, other text is for a shell.
"""

import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path

from lifecycle.labels import BUILD_METADATA, LIFECYCLE_METADATA, PROJECT_METADATA, REBASABLE
from oci.digest import Digest
from oci.layout import Layout
from tests.support.images import make_image
from tests.support.rootfs import make_rootfs

LAUNCHER = """\
#!/bin/sh
name=${0##*/}
if [ "$name" != launcher ]; then
    exec /bin/sh "/cnb/processes/$name" "$@"
fi
if [ "$1" = -- ]; then
    shift
    exec "$@"
fi
exec /bin/sh -c "$1"
"""
PROCESSES = {
    "web": """\
echo "serving on $PORT"
/bin/busybox httpd -f -p "$PORT" -h /workspace &
trap 'echo "going down"; kill $!; exit 0' TERM
wait
""",
    "environment": "env\n",
    "identity": 'id -u; id -g; pwd; echo "$HOME"; printf "%s\\n" "$@"\n',
    "fail": "echo to-stdout; echo to-stderr >&2; exit 7\n",
    "stubborn": "trap '' TERM; echo deaf; while :; do sleep 1; done\n",
}
PAGE = "<h1>a page</h1>\n"


def make_app_image(
    path: Path,
    *,
    user: str = "1000:1000",
    default: str = "web",
    env: Mapping[str, str] | None = None,
) -> Layout:
    """A layout in the new folder `path`; the base's files are made beside it."""
    base = _tar_of(make_rootfs(path.with_name(f"{path.name}-rootfs")))
    app = _tar({"workspace/index.html": (PAGE, 0o644)})
    files = {f"cnb/processes/{name}": (text, 0o644) for name, text in PROCESSES.items()}
    links = {f"cnb/process/{name}": "/cnb/lifecycle/launcher" for name in PROCESSES}
    launcher = _tar({"cnb/lifecycle/launcher": (LAUNCHER, 0o755), **files}, links)
    variables = {"PATH": "/cnb/process:/bin", "CNB_APP_DIR": "/workspace", **(env or {})}
    config = {
        "User": user,
        "WorkingDir": "/workspace",
        "Entrypoint": [f"/cnb/process/{default}" if default else "/cnb/lifecycle/launcher"],
        "Env": [f"{name}={value}" for name, value in variables.items()],
        "Labels": labels(base, app, launcher),
    }
    return make_image(path, layers=[base, app, launcher], config={"config": config})


def labels(base: bytes, app: bytes, launcher: bytes) -> dict[str, str]:
    """What the exporter says about these layers."""
    metadata = {
        "app": [{"sha": str(Digest.of(app))}],
        "launcher": {"sha": str(Digest.of(launcher))},
        "buildpacks": [],
        "runImage": {
            "image": "registry.example/run:1",
            "topLayer": str(Digest.of(base)),
            "reference": f"registry.example/run@{Digest.of(b'run')}",
        },
    }
    build = {
        "processes": [
            {"type": name, "command": ["sh", name], "direct": True, "buildpackID": "test/shell"}
            for name in PROCESSES
        ],
        "buildpacks": [{"id": "test/shell", "version": "1.2.3", "homepage": "https://b.example"}],
    }
    project = {"source": {"type": "git", "version": {"commit": "c0ffee"}}}
    return {
        LIFECYCLE_METADATA: json.dumps(metadata),
        BUILD_METADATA: json.dumps(build),
        PROJECT_METADATA: json.dumps(project),
        REBASABLE: "true",
        "a.label": "of the project",
    }


def _tar(files: Mapping[str, tuple[str, int]], links: Mapping[str, str] | None = None) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, (text, mode) in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode, member.mtime = len(text.encode()), mode, 1
            archive.addfile(member, io.BytesIO(text.encode()))
        for name, target in (links or {}).items():
            member = tarfile.TarInfo(name)
            member.type, member.linkname, member.mtime = tarfile.SYMTYPE, target, 1
            archive.addfile(member)
    return buffer.getvalue()


def _tar_of(folder: Path) -> bytes:
    """A folder as a layer; root owns all of it."""

    def owned_by_root(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uid = member.gid = 0
        member.uname = member.gname = ""
        member.mtime = 1
        return member

    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.add(folder, arcname=".", filter=owned_by_root)
    return buffer.getvalue()
