"""`locald ci`."""

import pytest
import yaml

from locald.ci.pipeline import System
from locald.cli.app import main
from oci.errors import UsageError

WHEEL = "https://files.example/locald-0.1.0-py3-none-any.whl"
GOOD = ("--image", "registry.example/team/app", "--install", WHEEL)


@pytest.mark.parametrize("system", list(System))
def test_a_pipeline_goes_to_standard_output(
    system: System, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ci", system, *GOOD, "--", "--env", "GREETING=hello there"]) == 0
    output = capsys.readouterr()
    assert output.err == ""
    assert "--env 'GREETING=hello there'" in output.out.replace("\\'", "'")
    if system is not System.JENKINS:
        assert list(yaml.safe_load_all(output.out))


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("--image", "registry.example/app:1"), "--image"),
        (("--image", "Registry Example"), "Registry Example"),
        (("--branch", "a b"), "--branch"),
        (("--branch", "main\n- evil"), "--branch"),
        (("--branch", "${{ github.token }}"), "--branch"),
        (("--path", "../other"), "--path"),
        (("--path", "/etc"), "--path"),
        (("--runner", "a: b"), "--runner"),
        (("--job-image", "a b"), "--job-image"),
        (("--install", "locald"), "--install"),
        (("--install", "x\ny"), "--install"),
        (("--install", ""), "--install"),
        (("--", "--env", "A=${{ secrets.B }}"), "FLAGS"),
        (("--", "--env", "A=$(params.b)"), "FLAGS"),
    ],
)
def test_what_could_become_another_pipeline_is_refused(
    words: tuple[str, ...], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ci", "github", *GOOD, *words]) == UsageError.exit_code
    output = capsys.readouterr()
    assert output.out == ""
    assert named in output.err
