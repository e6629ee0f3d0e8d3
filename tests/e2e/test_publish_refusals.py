"""Publications that cannot work: one message each, with what is wrong and what to do."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.e2e import BUILDER, Installation
from tests.support.publishing import (
    cert_dir,
    machine,
    registry,
)
from tests.support.registry import PASSWORD, Registry, serve_registry, write_auth_file
from tests.support.registry_faults import Fault, serve_faults

__all__ = ["machine", "registry"]


def failing(
    machine: Installation, app: Path, registry: Registry, *flags: str, code: int = 4
) -> str:
    """What the user reads of a publication that cannot work."""
    result = machine.locald.run(
        "build", app, "--builder", BUILDER, "--run-image", f"{registry.host}/base/run:1",
        "--tag", f"{registry.host}/team/{app.name}:1", "--publish", *flags,
    )  # fmt: skip
    assert result.code == code, result.output
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    assert PASSWORD not in result.stderr
    return result.stderr


def test_a_wrong_password_is_told_before_anything_is_built(
    machine: Installation, app: Path, registry: Registry, tmp_path: Path
) -> None:
    wrong = write_auth_file(tmp_path / "auth.json", registry.host, password="Canary-1234")
    said = failing(machine, app, registry, *cert_dir(registry), "--authfile", str(wrong))
    assert (
        f"with the login from {wrong}" in said or f"does not accept the login from {wrong}" in said
    )
    assert f"skopeo login {registry.host}" in said
    assert "Canary" not in said
    assert "detect" not in said


def test_no_login_is_told_with_the_command(
    machine: Installation, app: Path, registry: Registry, tmp_path: Path
) -> None:
    said = failing(machine.with_environment(HOME=str(tmp_path)), app, registry, *cert_dir(registry))
    assert "the registry refused access" in said
    assert f"skopeo login {registry.host}" in said


def test_no_login_for_the_destination_is_told_before_anything_is_built(
    installation: Installation, app: Path, registry: Registry, tmp_path: Path
) -> None:
    result = installation.with_environment(HOME=str(tmp_path)).locald.run(
        "build", app, "--builder", BUILDER, "--tag", f"{registry.host}/team/{app.name}:1",
        "--publish", *cert_dir(registry),
    )  # fmt: skip
    assert result.code == 4
    assert "the registry refused access" in result.stderr
    assert "detect" not in result.stderr


def test_an_unknown_ca_is_told_with_the_flag(
    machine: Installation, app: Path, registry: Registry
) -> None:
    said = failing(machine, app, registry, "--authfile", str(registry.auth_file))
    assert f"the certificate of the registry {registry.host} is not trusted" in said
    assert "--cert-dir" in said


def test_a_registry_without_tls_is_told_with_the_flag(
    machine: Installation, app: Path, tmp_path: Path
) -> None:
    with serve_registry(tmp_path / "plain") as plain:
        said = failing(machine, app, plain)
    assert f"the registry {plain.host} speaks HTTP, not HTTPS" in said
    assert f"--insecure-registry {plain.host}" in said


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--authfile", "gone.json"), "--authfile"),
        (("--authfile", "bad.json"), "bad.json: not an auth file"),
        (("--cert-dir", "gone"), "--cert-dir: gone: no such folder"),
        (("--insecure-registry", "https://a.example"), "--insecure-registry: 'https://a.example'"),
        (("--insecure-registry", "a.example/team"), "--insecure-registry: 'a.example/team'"),
        (("--tag", "shop"), "--publish: the name shop:latest says no registry"),
        (("--sparse",), "--sparse: leaves the run image's layers out of oci: outputs"),
    ],
)
def test_bad_words_are_told_with_their_flag(
    machine: Installation,
    app: Path,
    registry: Registry,
    tmp_path: Path,
    flags: tuple[str, ...],
    said: str,
) -> None:
    (tmp_path / "bad.json").write_text("{oh no")
    inside = replace(machine, locald=replace(machine.locald, cwd=tmp_path))
    assert said in failing(inside, app, registry, *flags, code=2)


def test_a_silent_registry_ends_in_a_time_out(
    machine: Installation, app: Path, tmp_path: Path
) -> None:
    with serve_registry(tmp_path / "plain") as plain, serve_faults(plain) as front:
        front.add(Fault(stall=True))
        quick = machine.with_environment(LOCALD_REGISTRY_TIMEOUT="1")
        result = quick.locald.run(
            "build", app, "--builder", BUILDER, "--tag", f"{front.host}/team/app:1", "--publish",
            "--run-image", f"{front.host}/base/run:1", "--insecure-registry", front.host,
        )  # fmt: skip
    assert result.code == 7, result.output
    assert f"the registry {front.host} did not answer within 1 s" in result.stderr


def test_a_project_s_file_neither_publishes_nor_says_who_the_user_is(
    machine: Installation, app: Path, registry: Registry
) -> None:
    (app / "locald.toml").write_text(
        f'[service.web.build]\noutput = "docker://{registry.host}/team/app:1"\n'
    )
    result = machine.locald.run("build", app, "--builder", BUILDER, *registry.flags)
    assert result.code == 2
    assert "a project's file cannot push to a registry in your name" in result.stderr
    for key in ("authfile", "cert_dir", "insecure_registries", "publish"):
        (app / "locald.toml").write_text(f'[service.web.build]\n{key} = "x"\n')
        refused = machine.locald.run("build", app, "--builder", BUILDER)
        assert refused.code == 2
        assert key in refused.stderr
