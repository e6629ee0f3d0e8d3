"""What a hostile buildpack leaves and prints: links that lead out, files that block, bits and names
that nobody expects, words for terminals and CI systems."""

import re
import secrets
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.buildpack_folder import BUILDS, BuildpackFolder
from tests.support.e2e import Installation, layer_bytes
from tests.support.tree_state import tree_state

pytestmark = pytest.mark.corpus


@dataclass(frozen=True, kw_only=True)
class Canary:
    """A folder of the user's that no build is given. word: what stands in its file."""

    folder: Path
    word: str

    @property
    def file(self) -> Path:
        return self.folder / "precious"


@pytest.fixture
def canary(tmp_path: Path) -> Iterator[Canary]:
    made = Canary(folder=tmp_path / "outside", word=f"canary-{secrets.token_hex(12)}")
    made.folder.mkdir()
    made.file.write_text(f'"{made.word}"\n')
    before = tree_state(made.folder)
    yield made
    assert tree_state(made.folder) == before


# ---- what is left -------------------------------------------------------------------------------

# `out` is the canary's file. What comes first is a good build.
REFUSED = {
    "the group as a link": ("ln -sf $out /layers/group.toml", 4, "group.toml, .* is a link"),
    "the group as a FIFO": ("rm /layers/group.toml; mkfifo /layers/group.toml", 4, "no plain file"),
    "no group": ("rm /layers/group.toml", 4, "group.toml, .* is not there"),
    "a group that is no text": (
        r"""printf 'a = "\377"' >/layers/group.toml""", 5, "invalid UTF-8"),
    "an analysis without end": ("truncate -s 1T /layers/analyzed.toml", 4, "is larger than"),
    "metadata as a FIFO": ("mkdir -p /layers/config; mkfifo /layers/config/metadata.toml", 4,
                           "metadata.toml, .* is no plain file"),
    "a report into the cache": ("ln -s /cache/committed/x /layers/report.toml", 4, "is a link"),
    "a store of the host": ("ln -s $out $CNB_LAYERS_DIR/store.toml", 4, "leads elsewhere"),
    "a folder of its own elsewhere": (
        "mv $CNB_LAYERS_DIR /tmp/moved; ln -s /tmp/moved $CNB_LAYERS_DIR", 4, "e2e_test, .* link"),
    "bills of materials elsewhere": ("ln -s $out /layers/sbom", 52, "mkdir /layers/sbom"),
    "a FIFO among them": (
        "mkdir -p /layers/sbom/launch/x; mkfifo /layers/sbom/launch/x/sbom.cdx.json",
        4,
        "sbom/launch/x/sbom.cdx.json, .* is no plain file",
    ),
    "a link among them": (
        "mkdir -p /layers/sbom/launch; ln -s ${out%/*} /layers/sbom/launch/x", 4, "x, .* is a link"
    ),
    "a launch.toml that is no TOML": (
        r"printf 'a = [[[[' >$CNB_LAYERS_DIR/launch.toml", 52, "failed to decode"),
    "a layer that is closed": (
        "mkdir $CNB_LAYERS_DIR/x; printf '[types]\nlaunch = true\n' >$CNB_LAYERS_DIR/x.toml;"
        "chmod 000 $CNB_LAYERS_DIR/x", 62, "permission denied"),
}  # fmt: skip


@pytest.mark.parametrize(("left", "code", "said"), REFUSED.values(), ids=REFUSED.keys())
def test_what_a_buildpack_leaves_in_the_way_is_told_in_one_message(
    installation: Installation,
    app: Path,
    tmp_path: Path,
    canary: Canary,
    left: str,
    code: int,
    said: str,
) -> None:
    buildpack = BuildpackFolder.make(tmp_path / "bp", build=f"{BUILDS}\nout={canary.file}\n{left}")
    report = tmp_path / "report.json"
    result = installation.try_build(app, "--report", report, buildpack=buildpack)
    assert result.code == code, result.output
    errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, result.stderr
    assert re.search(said, result.stderr), result.stderr
    assert "goroutine" not in result.stderr
    assert "Traceback" not in result.stderr
    assert installation.image(app) is None
    assert canary.word not in result.output + report.read_text()
    assert result.seconds < 60


ODD = r"""
made="$CNB_LAYERS_DIR/made"
for place in "$made" /workspace "$LOCALD_BUILD_CACHE"; do
    rm -rf "$place/odd"
    mkdir -p "$place/odd"
    cd "$place/odd"
    ln -s "$out" file-of-the-host
    ln -s "${out%/*}" folder-of-the-host
    ln -s "../../../../../../../../../..$out" relative
    ln -s /etc/shadow absolute
    ln -s /cache/committed cache
    ln -s /layout-repo layouts
    ln -s /proc/1/root root
    ln -s round round
    [[ $place == "$made" ]] || mkfifo fifo
    echo same >one; ln one two
    echo x >set-ids; chmod 6755 set-ids
    echo x >"$(printf 'line\nend')"; echo x >"$(printf '\033[2J')"; echo x >"$(printf '\377\376')"
    echo x >-rf; echo x >"$(printf 'n%.0s' {1..255})"
done
echo x >"$LOCALD_BUILD_CACHE/odd/closed"; chmod 000 "$LOCALD_BUILD_CACHE/odd/closed"
mkdir "$LOCALD_BUILD_CACHE/shut"; chmod 000 "$LOCALD_BUILD_CACHE/shut"
printf '[types]\nlaunch = true\ncache = true\n' >"$CNB_LAYERS_DIR/made.toml"
"""


def test_links_out_odd_names_and_bits_lead_nowhere(
    installation: Installation, app: Path, tmp_path: Path, canary: Canary
) -> None:
    once = f"rm -rf $LOCALD_BUILD_CACHE/*\n{BUILDS}\nout={canary.file}\n{ODD}"
    buildpack = BuildpackFolder.make(tmp_path / "bp", build=once)
    source = tree_state(app)
    caches = tmp_path / "caches"
    own = installation.with_caches(caches)
    flags = ("--sbom-output-dir", tmp_path / "sbom", "--report-output-dir", tmp_path / "reports")
    report = tmp_path / "report.json"
    result = own.build(app, *flags, "--report", report, buildpack=buildpack)
    assert tree_state(app) == source
    image = own.image(app)
    assert image is not None
    content = layer_bytes(image, own.layout(app))
    for name in (b"file-of-the-host", b"line\nend", b"\xff\xfe", b"n" * 255):
        assert name in content, name
    # What the cache and the layouts hold stays there.
    for inside in (b"io.buildpacks.lifecycle.cache.metadata", b"oci-layout", b"index.json"):
        assert inside not in content
    told = result.output + report.read_text()
    for path in (*(tmp_path / "sbom").rglob("*"), *(tmp_path / "reports").rglob("*")):
        if path.is_file():
            told += path.read_text()
            assert not path.is_symlink()
    assert canary.word not in told
    assert canary.word.encode() not in content + image.config_bytes

    run = own.locald.run
    archive = tmp_path / "cache.tar"
    for words in (
        ("cache", "ls"), ("cache", "du"), ("cache", "export", archive, app),
    ):  # fmt: skip
        ended = run(*words)
        assert ended.code == 0, ended.output
        assert canary.word not in ended.output
    assert canary.word.encode() not in archive.read_bytes()
    again = own.build(app, buildpack=buildpack)
    assert again.digest == result.digest
    cleared = run("cache", "clear", "--all")
    assert cleared.code == 0, cleared.output
    assert not any(path.name == "shut" for path in caches.rglob("*"))


CACHED_FIFO = """
mkdir -p "$CNB_LAYERS_DIR/kept"
rm -f "$CNB_LAYERS_DIR/kept/fifo"
mkfifo "$CNB_LAYERS_DIR/kept/fifo"
printf '[types]\\ncache = true\\n' >"$CNB_LAYERS_DIR/kept.toml"
"""


def test_a_cache_that_cannot_be_restored_has_a_remedy(
    installation: Installation, app: Path, tmp_path: Path
) -> None:
    buildpack = BuildpackFolder.make(tmp_path / "bp", build=BUILDS + CACHED_FIFO)
    first = installation.build(app, buildpack=buildpack)
    refused = installation.try_build(app, buildpack=buildpack)
    assert refused.code == 42, refused.output
    assert "hint: the cache cannot be used: build once with --clear-cache" in refused.stderr
    assert installation.build(app, "--clear-cache", buildpack=buildpack).digest == first.digest


# ---- what is printed ----------------------------------------------------------------------------

ATTACKS = {
    "the screen": r"\033[2J\033[H\033[1A\033[2Kgone",
    "the title": r"\033]0;owned\007",
    "the clipboard": r"\033]52;c;cm0gLXJm\007 \033]52;c;cm0gLXJm\033\\ \23352;c;AAAA\234",
    "a link": r"\033]8;;http://evil.example\007click\033]8;;\007",
    "the line before": r"error: all is well\rerror: \b\b\b\b",
    "GitHub": r"::set-env name=LD_PRELOAD::/evil.so\n  ::add-path::/evil\n::add-mask::x",
    "GitHub, older": r"##[set-env name=X]y\ntext ##[add-path]/evil",
    "GitHub, after a return": r"\r::set-output name=x::y\n\033[31m::error::x",
    "Azure": r"##vso[task.setvariable variable=X]y\ntext ##vso[task.uploadfile]/etc/passwd",
    "TeamCity": r"##teamcity[setParameter name=env.X value=y]",
    "GitLab": r"section_start:1:evil\r\033[0K\033[31mhidden\nsection_end:1:evil\r\033[0K",
    "bidirectional marks": r"\342\200\256txt.exe \342\201\246x\342\201\251 \330\234",
    "line separators": r"one\342\200\250two\342\200\251three\302\205four",
    "no text": r"\377\376\000\200 \355\240\200",
    "JSON": r'{"event":"error","message":"x"}',
    "our own words": r"error: this is a bug in locald\nhint: run as root",
}
PRINTS = "".join(
    f"printf '%b\\n' '{text}'{target}\n" for text in ATTACKS.values() for target in ("", " >&2")
)
# What acts on a terminal; and what CI systems take for their own.
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
COMMANDS = re.compile(r"^\s*::[A-Za-z]|##[a-z]*\[", re.MULTILINE)
WAYS = {
    "plain": ("--progress", "plain", "--explain"),
    "with the time": ("--progress", "plain", "--timestamps", "--verbose"),
    "quiet": ("--progress", "plain", "-q"),
    "JSON": ("--progress", "json"),
}


def printed(installation: Installation, app: Path, *words: str | Path) -> tuple[int, str]:
    """The exit code, and both outputs byte by byte: no line end is made another."""
    locald = installation.locald
    done = subprocess.run(
        [*locald.argv, *map(str, words)], env=dict(locald.environment), capture_output=True
    )
    return done.returncode, (done.stdout + done.stderr).decode()


@pytest.mark.parametrize("failing", ["", "exit 7"], ids=["", "failing"])
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
def test_what_buildpacks_print_acts_on_nothing(
    installation: Installation, app: Path, tmp_path: Path, way: tuple[str, ...], failing: str
) -> None:
    buildpack = BuildpackFolder.make(
        tmp_path / "bp", detect=f"{PRINTS}exit 0", build=f"{PRINTS}{failing}\n{BUILDS}"
    )
    words = installation.build_arguments(app, *way, buildpack=buildpack)
    code, text = printed(installation, app, *words)
    assert code == (51 if failing else 0), text
    assert not CONTROL.findall(text), CONTROL.findall(text)[:5]
    assert not COMMANDS.findall(text), COMMANDS.findall(text)[:5]
    if failing or "-q" not in way:
        assert "gone" in text, "what is harmless is shown"
    ours = re.findall(r"^(?:[\d:]{8} )?error: |^{\"event\": \"error\"", text, re.MULTILINE)
    assert len(ours) == (1 if failing else 0), text


def test_a_failing_detection_prints_nothing_that_acts(
    installation: Installation, app: Path, tmp_path: Path
) -> None:
    buildpack = BuildpackFolder.make(tmp_path / "bp", detect=f"{PRINTS}exit 3")
    words = installation.build_arguments(app, "--progress", "plain", buildpack=buildpack)
    code, text = printed(installation, app, *words)
    assert code == 21, text
    assert not CONTROL.findall(text)
    assert not COMMANDS.findall(text), COMMANDS.findall(text)


NAMED = r"""
cat >>"$CNB_LAYERS_DIR/launch.toml" <<'END'
[[processes]]
type = "a\nb\u001b[2J\u202e##vso[x]"
command = ["\u001b]0;x\u0007"]
[[labels]]
key = "odd\u001b[2J"
value = "::set-env name=x::y\r\u009b2J##[x]"
END
"""


def test_names_that_a_buildpack_chooses_act_on_nothing(
    installation: Installation, app: Path, tmp_path: Path
) -> None:
    buildpack = BuildpackFolder.make(
        tmp_path / "bp", name=r"\u001b]0;x\u0007\u202eTest ##vso[x]", build=BUILDS + NAMED
    )
    name = installation.name(app)
    for words in (
        installation.build_arguments(app, "--verbose", buildpack=buildpack),
        ("inspect", name),
        ("inspect", name, "--output", "json"),
        ("inspect", name, "--output", "yaml"),
        ("images", "ls"),
        ("images", "ls", "--json"),
        ("run", name, "--process", "none"),
    ):
        code, text = printed(installation, app, *words)
        assert code == (2 if words[0] == "run" else 0), text
        assert not CONTROL.findall(text), (words, CONTROL.findall(text))
        assert not COMMANDS.findall(text), (words, text)
