from pathlib import Path

import pytest

from lifecycle.runtime.limits import Limit, Limits
from locald.config.build_flags import BuildFlags
from locald.config.resolve import read_requests
from locald.paths import Paths
from oci.errors import UsageError


def limits(
    folder: Path, flags: BuildFlags | None = None, *, build: str = "", user: str = ""
) -> Limits:
    for name in ("project", "config"):
        (folder / name).mkdir(exist_ok=True)
    (folder / "config/config.toml").write_text(user)
    text = f'[service.w.build]\nbuilder = "localhost/acme/builder"\n{build}\n'
    (folder / "project/locald.toml").write_text(text)
    paths = Paths.from_environment({"LOCALD_CONFIG_DIR": str(folder / "config")})
    given = flags or BuildFlags(path=folder / "project")
    (request,) = read_requests(given, paths, {"HOME": "/home/me"})
    return request.limits


def test_only_processes_are_limited_without_a_word(tmp_path: Path) -> None:
    assert limits(tmp_path) == Limits(pids=Limit(amount=16384))


@pytest.mark.parametrize(
    ("build", "user", "most"),
    [
        ("pids = 100", "", 100),
        ("pids = 99999", "", 16384),
        ("pids = 99999", "pids = 20000", 20000),
        ("pids = 99999", 'pids = "none"', 99999),
        ('pids = "none"', "", 16384),
        ('pids = "none"', 'pids = "none"', None),
    ],
)
def test_a_project_lowers_and_never_raises(
    tmp_path: Path, build: str, user: str, most: int | None
) -> None:
    pids = limits(tmp_path, build=build, user=user).pids
    assert (pids.amount if pids is not None else None) == most


def test_the_command_line_holds_whatever_the_files_say(tmp_path: Path) -> None:
    flags = BuildFlags(path=tmp_path / "project", memory="1.5G", pids="none", max_disk="3gib")
    found = limits(tmp_path, flags, build='memory = "100m"\nmax_disk = "1g"', user='memory = "1g"')
    assert found == Limits(
        memory=Limit(amount=3 << 29, origin="--memory"),
        disk=Limit(amount=3 << 30, origin="--max-disk"),
    )


@pytest.mark.parametrize(
    ("build", "message"),
    [
        ('memory = "2 lots"', "build.memory: not a size: '2 lots'"),
        ("memory = -5", "build.memory: not a size: '-5'"),
        ("pids = 0", "build.pids: too small: '0'"),
        ("max_disk = 0", "build.max_disk: too small: '0'"),
    ],
)
def test_a_bad_value_is_named_with_its_key(tmp_path: Path, build: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        limits(tmp_path, build=build)
    assert message in caught.value.message
