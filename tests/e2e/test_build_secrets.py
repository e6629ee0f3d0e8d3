"""`--secret`: there in the build phase, nowhere else, and nowhere afterwards."""

import base64
import os
import signal
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from lifecycle.runtime.spec import RuntimeName
from tests.e2e.conftest import AppMaker
from tests.e2e.test_bad_input import refused
from tests.support.buildpack_folder import BUILDS, BuildpackFolder
from tests.support.e2e import Installation
from tests.support.leftovers import processes_of
from tests.support.waiting import wait_until

SECRET = "s3cr3t-71f0b2c9d4e8"
FORMS = (
    SECRET.encode(),
    base64.b64encode(SECRET.encode()).rstrip(b"="),
    SECRET.encode().hex().encode(),
)
READ = 's=$(cat /run/secrets/npm); [ "${#s}" = 19 ]\n'


@pytest.fixture
def source(tmp_path: Path) -> Path:
    file = tmp_path / "secret-file"
    file.write_text(f"{SECRET}\n")
    return file


@pytest.fixture
def own(installation: Installation, tmp_path: Path) -> Installation:
    """With caches and work folders of this test's own."""
    return installation.with_caches(tmp_path / "caches")


def traces(*places: Path) -> Iterator[Path]:
    """Files that hold the secret. Other builds make and delete folders meanwhile."""
    for place in places:
        for root, _, names in os.walk(place, onerror=lambda _: None):
            for path in (Path(root, name) for name in names):
                with suppress(OSError):
                    if stat.S_ISREG(path.lstat().st_mode):
                        content = path.read_bytes()
                        if any(form in content for form in FORMS):
                            yield path


def leaky(tmp_path: Path, build: str, name: str = "leaky") -> BuildpackFolder:
    return BuildpackFolder.make(tmp_path / name, build=f"{READ}{BUILDS}{build}")


@pytest.mark.parametrize("runtime", list(RuntimeName))
def test_only_the_build_phase_sees_it(
    own: Installation, app: Path, source: Path, tmp_path: Path, runtime: RuntimeName
) -> None:
    spy = BuildpackFolder.make(
        tmp_path / "spy",
        detect="[ ! -e /run/secrets/npm ] && [ ! -e /run/secrets/token ]",
        build=f"""{READ}{BUILDS}
cd /run/secrets
echo "say $(stat -c '%a %U' npm) $(stat -f -c %T .)"
echo "printed: $s, encoded: $(printf %s "$s" | base64)"
touch new 2>/dev/null || echo "say read-only"
[ "$(cat token)" = "$s-2" ] && echo "say both"
env | grep -q "$s" && echo "say in the environment" || true
""",
    )
    report = tmp_path / "report.json"
    flags = (
        *("--secret", f"id=npm,src={source}", "--secret", "id=token,env=MY_TOKEN"),
        *("--runtime", runtime, "--verbose", "--report", report),
    )
    result = own.with_environment(MY_TOKEN=f"{SECRET}-2").build(app, *flags, buildpack=spy)
    said = [line.partition("say ")[2] for line in result.stderr.splitlines() if "say " in line]
    assert said == ["400 cnb tmpfs", "read-only", "both"]
    assert "[build] printed: ***, encoded: ***" in result.stderr
    assert not any(form.decode() in result.output for form in FORMS)
    assert list(traces(own.paths.cache_dir, own.paths.work, own.outputs)) == []
    assert not any(form in report.read_bytes() for form in FORMS)


LEAKS = {
    "layer made of e2e/test@1.0.0: /layers/e2e_test/made/bin/config":
        'printf "token=%s" "$s" >"$CNB_LAYERS_DIR/made/bin/config"',
    "layer made of e2e/test@1.0.0: /layers/e2e_test/made/bin/basic":
        'printf "user:%s" "$s" | base64 >"$CNB_LAYERS_DIR/made/bin/basic"',
    "layer of application: /workspace/leak": 'echo "$s" >leak',
    "the image's configuration or labels":
        'printf \'[[labels]]\\nkey = "a"\\nvalue = "%s"\\n\' "$s" >>"$CNB_LAYERS_DIR/launch.toml"',
    "layer sbom of lifecycle: /layers/sbom/launch/e2e_test/made/sbom.cdx.json":
        'printf \'{"bomFormat":"CycloneDX","x":"%s"}\' "$s" >"$CNB_LAYERS_DIR/made.sbom.cdx.json"',
    "the cache: committed/": 'mkdir "$CNB_LAYERS_DIR/kept"\necho "$s" >"$CNB_LAYERS_DIR/kept/x"\n'
        'printf "[types]\\ncache = true\\n" >"$CNB_LAYERS_DIR/kept.toml"',
}  # fmt: skip
LEAK_BESIDE = {
    "the buildpacks' own cache: registry/index": 'mkdir "$LOCALD_BUILD_CACHE/registry"\n'
    'printf %s "$s" | od -An -tx1 | tr -d " \\n" >"$LOCALD_BUILD_CACHE/registry/index"',
}


@pytest.mark.parametrize("leaks", [LEAKS, LEAK_BESIDE], ids=["everywhere", "beside the image"])
def test_a_secret_that_stays_fails_the_build_and_nothing_is_kept(
    own: Installation, app: Path, source: Path, tmp_path: Path, leaks: dict[str, str]
) -> None:
    before = own.build(app, buildpack=BuildpackFolder.make(tmp_path / "good"))
    flags = ("--secret", f"id=npm,src={source}")
    bad = leaky(tmp_path, "\n".join(leaks.values()))
    descriptor = bad.path / "buildpack.toml"
    formats = '[buildpack]\nsbom-formats = ["application/vnd.cyclonedx+json"]'
    descriptor.write_text(descriptor.read_text().replace("[buildpack]", formats))
    result = own.try_build(app, *flags, buildpack=bad)
    refused(result, 4, "the secret npm is in what was built", "the cache is cleared", *leaks)
    assert not any(form.decode() in result.output for form in FORMS)
    image = own.image(app)
    assert image is not None
    assert str(image.digest) == before.digest
    assert list(traces(own.paths.cache_dir, own.paths.work, own.outputs)) == []
    # The next build is as if nothing had been.
    again = own.build(app, *flags, buildpack=leaky(tmp_path, "", "careful"))
    assert "cleared" not in again.stderr


def test_a_failing_build_leaves_no_secret_in_its_cache(
    own: Installation, app: Path, source: Path, tmp_path: Path
) -> None:
    bad = leaky(tmp_path, 'echo "$s" >"$LOCALD_BUILD_CACHE/x"; exit 3')
    result = own.try_build(app, "--secret", f"id=npm,src={source}", buildpack=bad)
    refused(result, 51, "put a secret into its cache: the cache is cleared")
    assert list(traces(own.paths.cache_dir, own.paths.work)) == []
    careful = leaky(tmp_path, 'echo ok >"$LOCALD_BUILD_CACHE/kept"; exit 3', "careful")
    result = own.try_build(app, "--secret", f"id=npm,src={source}", buildpack=careful)
    refused(result, 51)
    assert "cleared" not in result.stderr
    assert [path.read_text() for path in own.paths.cache_dir.rglob("kept")] == ["ok\n"]


@pytest.mark.parametrize("runtime", list(RuntimeName))
def test_a_killed_build_leaves_no_copy_and_its_cache_is_not_used(
    own: Installation, app: Path, source: Path, tmp_path: Path, runtime: RuntimeName
) -> None:
    bad = leaky(tmp_path, 'echo "$s" >"$LOCALD_BUILD_CACHE/x"; echo written; sleep 600')
    flags = ("--secret", f"id=npm,src={source}", "--runtime", runtime)
    with own.start_build(app, *flags, buildpack=bad) as build:
        build.wait_for_line("written")
        held = set(traces(own.paths.cache_dir, own.paths.work))
        assert {path.name for path in held} == {"x"}, "the buildpack's own copy, and no other"
        build.send(signal.SIGKILL)
        build.finish()
        gone = wait_until(lambda: not processes_of(build.pid, tmp_path), seconds=10)
        assert gone, processes_of(build.pid, tmp_path)
    assert set(traces(own.paths.cache_dir, own.paths.work)) == held
    result = own.build(app, buildpack=BuildpackFolder.make(tmp_path / "good"))
    assert "did not come to its end: its cache is cleared" in result.stderr
    assert list(traces(own.paths.cache_dir, own.paths.work)) == []
    assert "cleared" not in own.build(app, buildpack=BuildpackFolder(tmp_path / "good")).stderr


def test_a_project_names_it_and_the_user_gives_it(
    own: Installation, make: AppMaker, source: Path, tmp_path: Path
) -> None:
    app = make(files={"index.html": "x", "locald.toml": '[service.w.build]\nsecrets = ["npm"]\n'})
    good = leaky(tmp_path, "")
    result = own.try_build(app, buildpack=good)
    refused(result, 2, "locald.toml: service.w.build.secrets", "--secret id=npm,src=FILE")
    own.build(app, "--secret", f"id=npm,src={source}", buildpack=good)
    config = own.paths.ensure(own.paths.config_dir) / "config.toml"
    before = config.read_text() if config.exists() else None
    config.write_text(f'[secrets]\nnpm = "src={source}"\n')
    try:
        refused(own.try_build(app, buildpack=good), 2, "w.build.secrets", "--secret id=npm")
        own.build(app, "--secret", "id=npm", buildpack=good)
    finally:
        config.unlink() if before is None else config.write_text(before)


def test_few_bytes_are_told(own: Installation, app: Path, tmp_path: Path) -> None:
    (tmp_path / "pin").write_text("1234\n")
    bad = BuildpackFolder.make(
        tmp_path / "bad", build=f"echo pin $(cat /run/secrets/pin)\n{BUILDS}"
    )
    result = own.build(app, "--secret", f"id=pin,src={tmp_path}/pin", buildpack=bad)
    assert "the secret pin has so few bytes that it cannot be searched for" in result.stderr
    assert "[build] pin ***" in result.stderr


@pytest.mark.parametrize(
    ("flag", "part"),
    [
        ("hunter2hunter2", "none of id=, src=, env="),
        ("id=a,src=/nowhere/file", "/nowhere/file: no such file or directory"),
        ("id=a,src=/etc", "/etc: is a directory"),
        ("id=a,src=/dev/null", "is empty"),
        ("id=a,src=/dev/zero", "is larger than 500 KiB"),
        ("id=a,env=LOCALD_E2E_NOT_SET", "LOCALD_E2E_NOT_SET is not set"),
        ("id=a/b,src=/etc/hostname", "not a secret's id: 'a/b'"),
    ],
)
def test_bad_secrets_are_told(own: Installation, app: Path, flag: str, part: str) -> None:
    result = own.try_build(app, "--secret", flag)
    refused(result, 2, "--secret: ", part)
    assert "hunter2" not in result.output
