"""How registries are reached and where images go: what flags and the user's file may say."""

from pathlib import Path
from typing import Any

import pytest

from locald.config.build_flags import BuildFlags
from locald.config.errors import ConfigError
from locald.config.project_files import ProjectFiles
from locald.config.request import BuildRequest
from locald.config.resolve import resolve
from locald.config.user_config import UserConfig
from oci.errors import UsageError
from oci.reference import Reference


def request(tmp_path: Path, user: UserConfig | None = None, **flags: Any) -> BuildRequest:
    (made,) = resolve(
        BuildFlags(path=tmp_path, **flags),
        files=ProjectFiles(folder=tmp_path),
        user=user or UserConfig(),
        user_file=Path("/home/dev/config.toml"),
        environ={},
    )
    return made


def outputs(tmp_path: Path, **flags: Any) -> list[str]:
    return [str(output) for output in request(tmp_path, **flags).outputs]


# ---- where to -----------------------------------------------------------------------------------


def test_publish_is_an_output_for_each_name(tmp_path: Path) -> None:
    tags = ("registry.example/shop:1", "registry.example/shop")
    assert outputs(tmp_path, tags=tags, publish=True) == [
        "docker://registry.example/shop:1",
        "docker://registry.example/shop:latest",
    ]


def test_publish_stands_beside_other_outputs_and_repeats_none(tmp_path: Path) -> None:
    tags, given = ("a.example/shop:1",), ("dir:/out", "docker://a.example/shop:1")
    assert outputs(tmp_path, tags=tags, outputs=given, publish=True) == [*given]


@pytest.mark.parametrize("tags", [(), ("shop",), ("registry.example/shop", "team/shop:2")])
def test_publish_needs_names_with_a_registry(tmp_path: Path, tags: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match=r"--publish: the name \S+ says no registry") as caught:
        request(tmp_path, tags=tags, publish=True)
    assert "--tag registry.example/team/" in caught.value.hint


def test_sparse_needs_a_layout(tmp_path: Path) -> None:
    assert request(tmp_path, outputs=("oci:out", "dir:b"), sparse=True).sparse
    for given in ((), ("oci-archive:out.tar",)):
        with pytest.raises(UsageError, match=r"--sparse: .* oci: outputs, and there is none"):
            request(tmp_path, outputs=given, sparse=True)


# ---- how ----------------------------------------------------------------------------------------


def test_flags_and_the_user_s_file_say_whom_not_to_check(tmp_path: Path) -> None:
    user = UserConfig(insecure_registries=("a.example:5000",))
    access = request(tmp_path, user, insecure_registries=("b.example",)).registries
    assert access.insecure == {"a.example:5000", "b.example"}


@pytest.mark.parametrize("text", ["https://a.example", "a.example/team", "", "a b", "a:port"])
def test_what_is_no_registry_is_told_with_its_flag_or_key(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError, match=r"--insecure-registry: .* is no registry"):
        request(tmp_path, insecure_registries=(text,))
    key = "/home/dev/config.toml: insecure-registries: "
    with pytest.raises(UsageError, match=f"{key}.* is no registry"):
        request(tmp_path, UserConfig(insecure_registries=(text,)))


def test_mirrors_are_the_user_s(tmp_path: Path) -> None:
    user = UserConfig(registry_mirrors={"docker.io": "m.example/hub", "*": ("a.example", "b.test")})
    assert request(tmp_path, user).registries.mirrors == {
        "docker.io": ("m.example/hub",),
        "*": ("a.example", "b.test"),
    }
    bad = UserConfig(registry_mirrors={"docker.io": "https://m.example"})
    with pytest.raises(ConfigError, match=r"config\.toml: registry-mirrors\.docker\.io: 'https"):
        request(tmp_path, bad)


def test_run_image_mirrors_are_the_user_s(tmp_path: Path) -> None:
    user = UserConfig(run_image_mirrors={"acme/run": ("b.example/run", "c.example/run:2")})
    assert request(tmp_path, user).run_image_mirrors == {
        Reference.parse("acme/run:latest"): (
            Reference.parse("b.example/run:latest"),
            Reference.parse("c.example/run:2"),
        )
    }
    with pytest.raises(UsageError, match=r"config\.toml: run-image-mirrors\.acme/run: .*Bad"):
        request(tmp_path, UserConfig(run_image_mirrors={"acme/run": ("Bad Name",)}))


def test_a_folder_of_certificates_must_be_there(tmp_path: Path) -> None:
    assert request(tmp_path, cert_dir=tmp_path).registries.cert_dir == tmp_path
    with pytest.raises(UsageError, match=r"--cert-dir: .*gone: no such folder"):
        request(tmp_path, cert_dir=tmp_path / "gone")
