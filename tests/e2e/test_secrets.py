"""What a hostile buildpack can see: nothing of the user's but the source."""

import base64
import contextlib
import os
import re
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from lifecycle.runtime.spec import RuntimeName
from tests.support.buildpack_folder import BUILDS, BuildpackFolder
from tests.support.cli import Finished
from tests.support.e2e import Installation, layer_bytes

CANARY = "canary4f0c2d71b9"
ENCODED = base64.b64encode(f"user:{CANARY}".encode()).decode()
# The password of a proxy: buildpacks get it, as they could not fetch anything without.
PROXY_CANARY = "canary7be90a35d2"
FILES = {
    ".docker/config.json": f'{{"auths": {{"registry.invalid": {{"auth": "{ENCODED}"}}}}}}',
    ".config/containers/auth.json": f'{{"auths": {{"quay.invalid": {{"auth": "{ENCODED}"}}}}}}',
    ".netrc": f"machine git.invalid login user password {CANARY}\n",
    ".ssh/id_ed25519": f"{CANARY}\n",
    ".aws/credentials": f"[default]\naws_secret_access_key = {CANARY}\n",
    ".kube/config": f"token: {CANARY}\n",
    ".gnupg/private-keys-v1.d/key": f"{CANARY}\n",
    ".npmrc": f"//registry.invalid/:_authToken={CANARY}\n",
    ".git-credentials": f"https://user:{CANARY}@git.invalid\n",
}
VARIABLES = {
    "AWS_SECRET_ACCESS_KEY": CANARY,
    "GITHUB_TOKEN": CANARY,
    "CI_JOB_TOKEN": CANARY,
    "CNB_REGISTRY_AUTH": f'{{"registry.invalid": "Basic {ENCODED}"}}',
    "DBUS_SESSION_BUS_ADDRESS": f"unix:abstract={CANARY}",
    "NPM_TOKEN": CANARY,
    "PIP_INDEX_URL": f"https://user:{CANARY}@packages.invalid/simple",
    "ALL_PROXY": f"socks5://user:{CANARY}@proxy.invalid:1080",
    "HTTPS_PROXY": f"http://user:{PROXY_CANARY}@proxy.invalid:3128",
    "http_proxy": f"http://user:{PROXY_CANARY}@proxy.invalid:3128",
}
# The needles are put together inside, so that the buildpack's own files do not hold them.
SEARCH = f"""\
needles=$(printf '%s\\n' "{CANARY[:8]}""{CANARY[8:]}" "{ENCODED[:9]}""{ENCODED[9:]}")
hunt() {{ grep --text --quiet --fixed-strings --file=<(printf '%s\\n' "$needles"); }}
env | hunt && echo "FOUND in env" || true
for file in /proc/[0-9]*/environ /proc/[0-9]*/cmdline /proc/[0-9]*/mountinfo; do
    {{ cat "$file" 2>/dev/null || true; }} | hunt && echo "FOUND in $file" || true
done
find / \\( -path /proc -o -path /sys -o -path /usr/share -o -path /usr/lib \\) -prune \\
    -o -type f -size -64k -print0 2>/dev/null >/tmp/candidates || true
xargs -0 grep --text --files-with-matches --fixed-strings --no-messages \\
    --file=<(printf '%s\\n' "$needles") </tmp/candidates | sed 's/^/FOUND in file /' || true
# Unix sockets of the host, by name.
find / -path /proc -prune -o -type s -print 2>/dev/null | sed 's/^/FOUND socket /' || true
grep --fixed-strings "@" /proc/net/unix | sed 's/^/FOUND abstract /' || true
for folder in "${{HOME:-/root}}" /home /root /run /var/run/user; do
    find "$folder" -name '.ssh' -o -name '.docker' -o -name '.netrc' 2>/dev/null |
        sed 's/^/FOUND folder /' || true
done
echo "searched $(tr -cd '\\0' </tmp/candidates | wc -c) files"
"""


@dataclass(frozen=True)
class Victim:
    """A user with secrets. home: where they lie."""

    home: Path
    installation: Installation


@pytest.fixture
def victim(installation: Installation, tmp_path: Path) -> Iterator[Victim]:
    home = tmp_path / "home"
    for name, text in FILES.items():
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.write_text(text)
        path.chmod(0o600)
    with socket.socket(socket.AF_UNIX) as agent, socket.socket(socket.AF_UNIX) as abstract:
        folder = os.open(home, os.O_PATH)
        agent.bind(f"/proc/self/fd/{folder}/agent")
        os.close(folder)
        agent.listen()
        abstract.bind(f"\0{CANARY}")
        abstract.listen()
        environment = {**VARIABLES, "HOME": str(home), "SSH_AUTH_SOCK": str(home / "agent")}
        yield Victim(home, installation.with_environment(**environment))


# What a detection prints is not shown when it agrees, so it refuses when it found something.
SPY_DETECT = f"""\
found=$({{
{SEARCH}
}})
if grep FOUND <<<"$found"; then exit 3; fi
"""


# So that there is a layer in the image, and one in the cache.
CACHED_LAYER = """\
mkdir -p "$CNB_LAYERS_DIR/both"
date >"$CNB_LAYERS_DIR/both/file"
printf '[types]\\nlaunch = true\\ncache = true\\n' >"$CNB_LAYERS_DIR/both.toml"
test -z "${HTTPS_PROXY:-}" || echo "the proxy is known"
"""


@pytest.mark.parametrize("runtime", list(RuntimeName))
def test_no_secret_is_seen_by_a_buildpack_or_gets_anywhere(
    victim: Victim, app: Path, tmp_path: Path, runtime: RuntimeName
) -> None:
    layers = f"{BUILDS}{CACHED_LAYER}"
    spy = BuildpackFolder.make(tmp_path / "spy", detect=SPY_DETECT, build=f"{SEARCH}{layers}")
    report = tmp_path / "report.json"
    flags = ("--runtime", runtime, "--verbose", "--report", report)
    result = victim.installation.build(app, *flags, buildpack=spy)
    assert [line for line in result.stderr.splitlines() if "FOUND" in line] == []
    (searched,) = re.findall(r"searched (\d+) files", result.stderr)
    assert int(searched) > 1000, "the search itself did not work"
    assert "the proxy is known" in result.stderr
    places = [report.read_bytes(), *everything_kept(victim.installation, app)]
    assert_no_canary(result, places)


def test_the_search_finds_what_is_there(victim: Victim, app: Path, tmp_path: Path) -> None:
    """Else the test above would prove nothing."""
    (app / "config").write_text(f"token = {CANARY}\n")
    spy = BuildpackFolder.make(tmp_path / "spy", build=f"{SEARCH}{BUILDS}")
    stderr = victim.installation.build(app, "--env", "GITHUB_TOKEN", buildpack=spy).stderr
    assert "FOUND in file /workspace/config" in stderr
    assert "FOUND in file /platform/env/GITHUB_TOKEN" in stderr


@pytest.mark.parametrize("name", ["report.toml", "group.toml", "plan.toml", "sbom", "launch.toml"])
def test_a_link_left_for_the_host_to_follow_carries_nothing_out(
    victim: Victim, app: Path, tmp_path: Path, name: str
) -> None:
    target = victim.home / ".ssh/id_ed25519"
    plant = f"""\
root=${{CNB_LAYERS_DIR%/*}}
for folder in "$root" "$CNB_LAYERS_DIR"; do
    rm -rf "$folder/{name}" && ln -s "{target}" "$folder/{name}"
done
ln -s "{target}" ./stolen
"""
    thief = BuildpackFolder.make(tmp_path / "thief", build=f"{BUILDS}{plant}")
    result = victim.installation.try_build(app, "--verbose", buildpack=thief)
    assert "this is a bug" not in result.stderr
    assert "Traceback" not in result.stderr
    places = everything_kept(victim.installation, app) if result.code == 0 else []
    assert_no_canary(result, places)


def everything_kept(installation: Installation, app: Path) -> list[bytes]:
    """The image, its layers, the caches, the logs."""
    image = installation.image(app)
    assert image is not None
    return [
        image.manifest_bytes,
        image.config_bytes,
        layer_bytes(image, installation.layout(app)),
        *files_below(installation.paths.cache_dir),
        *files_below(installation.paths.state_dir),
    ]


def assert_no_canary(result: Finished, places: list[bytes]) -> None:
    for needle in (CANARY.encode(), ENCODED.encode(), PROXY_CANARY.encode()):
        for place in (result.output.encode(), *places):
            at = place.find(needle)
            assert at < 0, place[max(0, at - 100) : at + 100]


def files_below(folder: Path) -> list[bytes]:
    found = []
    for parent, _, files in os.walk(folder):
        for name in files:
            path = Path(parent, name)
            # Other builds come and go meanwhile.
            with contextlib.suppress(OSError):
                if path.is_file() and not path.is_symlink():
                    found.append(path.read_bytes())
    return found


def test_only_named_variables_reach_the_build(victim: Victim, app: Path, tmp_path: Path) -> None:
    buildpack = BuildpackFolder.make(
        tmp_path / "printer",
        build=f'cd "$CNB_PLATFORM_DIR/env"; for f in *; do echo "has $f=$(cat $f)"; done\n{BUILDS}',
    )
    given = victim.installation.with_environment(FROM_HERE="its value", NOT_NAMED="hidden")
    file = tmp_path / "variables"
    file.write_text("FROM_FILE=in the file\n")
    flags = ("--env", "FROM_HERE", "--env", "GIVEN=as = it is", "--env-file", file)
    seen = given.build(app, *flags, buildpack=buildpack).stderr
    for line in ("has FROM_HERE=its value", "has GIVEN=as = it is", "has FROM_FILE=in the file"):
        assert line in seen, line
    assert "NOT_NAMED" not in seen
    assert "hidden" not in seen


# ---- the network ----------------------------------------------------------------------------

REACH = f"""\
if timeout 5 bash -c 'exec 3<>/dev/tcp/127.0.0.1/'"$PORT_TO_TRY" 2>/dev/null; then
    echo "loopback reached"
fi
if timeout 5 bash -c 'exec 3<>/dev/tcp/10.0.2.2/'"$PORT_TO_TRY" 2>/dev/null; then
    echo "gateway leads to the host's loopback"
fi
echo "interfaces: $(cd /sys/class/net 2>/dev/null && echo * || true)"
echo "routes: $(tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' ' | sort | tr '\\n' ' ')"
if grep -q "@{CANARY}" /proc/net/unix; then echo "abstract socket seen"; fi
"""


@pytest.fixture
def listener() -> Iterator[int]:
    """A port of the host's loopback where somebody answers."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_UNIX) as other:
        other.bind(f"\0{CANARY}")
        other.listen()
        thread = threading.Thread(target=_accept, args=(server,), daemon=True)
        thread.start()
        port: int = server.getsockname()[1]
        yield port


def _accept(server: socket.socket) -> None:
    with contextlib.suppress(OSError):  # closed at the end of the test
        while True:
            server.accept()[0].close()


@pytest.mark.parametrize("runtime", list(RuntimeName))
@pytest.mark.parametrize("network", ["private", "none", "host"])
def test_what_a_network_reaches(
    installation: Installation,
    app: Path,
    tmp_path: Path,
    listener: int,
    runtime: RuntimeName,
    network: str,
) -> None:
    buildpack = BuildpackFolder.make(
        tmp_path / "reach", build=f"PORT_TO_TRY={listener}\n{REACH}{BUILDS}"
    )
    flags = ("--runtime", runtime, "--network", network)
    seen = installation.build(app, *flags, buildpack=buildpack).stderr
    (line,) = (line for line in seen.splitlines() if "routes: " in line)
    interfaces = set(line.partition("routes: ")[2].split())
    assert "gateway leads" not in seen
    if network == "host":
        assert "loopback reached" in seen
        return
    assert "loopback reached" not in seen
    assert "abstract socket seen" not in seen
    if network == "none":
        assert interfaces == {"lo"}
    else:
        assert len(interfaces) == 2, "loopback, and one way out"


def test_a_project_cannot_open_the_hosts_network(installation: Installation, app: Path) -> None:
    (app / "locald.toml").write_text('[service.web.build]\nnetwork = "host"\n')
    result = installation.try_build(app)
    assert result.code == 2
    assert "cannot open the host's network" in result.stderr
