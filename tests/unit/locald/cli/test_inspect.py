"""`locald inspect`, through the command line, with a real store and the real skopeo."""

import json
from pathlib import Path

import pytest
import yaml

from locald.cli.app import main
from oci.digest import Digest
from oci.platform import Platform
from oci.process import CommandRunner
from oci.reference import Reference
from oci.skopeo import Skopeo
from oci.store import ImageStore
from tests.support.app_image import make_app_image


@pytest.fixture
def digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Digest:
    """An image in the store under two names, and as a layout in ./layout."""
    monkeypatch.setenv("LOCALD_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    names = (Reference.parse("localhost/shop:1.0"), Reference.parse("localhost/shop:latest"))
    store = ImageStore(tmp_path / "data/store", Skopeo(CommandRunner()))
    make_app_image(tmp_path / "layout")
    committed = make_app_image(tmp_path / "committed")
    return store.commit(committed, names, Platform.of_host()).digest


def document(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, object]:
    assert main(["inspect", *arguments, "--output", "json"]) == 0
    result: dict[str, object] = json.loads(capsys.readouterr().out)
    return result


@pytest.mark.parametrize("name", ["shop", "shop:1.0", "localhost/shop", "shop@{digest}"])
def test_by_name(digest: Digest, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = document(capsys, name.format(digest=digest))
    assert found["digest"] == str(digest)
    assert set(found["names"]) == {"localhost/shop:1.0", "localhost/shop:latest"}  # type: ignore[call-overload]


def test_the_name_asked_for_comes_first(digest: Digest, capsys: pytest.CaptureFixture[str]) -> None:
    assert document(capsys, "shop:1.0")["names"] == ["localhost/shop:1.0", "localhost/shop:latest"]


def test_by_folder(digest: Digest, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "source/shop").mkdir(parents=True)
    assert document(capsys, "source/shop")["digest"] == str(digest)


def test_by_location(digest: Digest, capsys: pytest.CaptureFixture[str]) -> None:
    found = document(capsys, "oci:layout")
    assert found["digest"] == str(digest)
    assert str(found["names"]).endswith("/layout']")


def test_yaml_says_the_same(digest: Digest, capsys: pytest.CaptureFixture[str]) -> None:
    expected = document(capsys, "shop")
    assert main(["inspect", "shop", "-o", "yaml"]) == 0
    assert yaml.safe_load(capsys.readouterr().out) == expected


def test_human(digest: Digest, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", "shop"]) == 0
    out, err = capsys.readouterr()
    assert str(digest) in out
    assert err == ""


@pytest.mark.parametrize(
    ("arguments", "exit_code", "words"),
    [
        (["shpo"], 4, 'did you mean "shop"?'),
        (["nothing"], 4, "there is no image nothing"),
        ([f"shop@sha256:{'0' * 64}"], 4, "there is no image shop@sha256"),
        (["./nowhere"], 2, "no such folder"),
        (["oci:nowhere"], 4, "nowhere"),
        (["oci:layout", "--service", "web"], 2, "--service"),
        (["UPPER"], 2, "lower case"),
        (["shop", "-o", "xml"], 2, "xml"),
    ],
)
def test_bad_input(
    digest: Digest,
    arguments: list[str],
    exit_code: int,
    words: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["inspect", *arguments]) == exit_code
    out, err = capsys.readouterr()
    assert words in err
    assert out == ""


def test_a_project_with_several_services_asks_which(
    digest: Digest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "locald.toml").write_text("[service.a]\nbuild = true\n[service.b]\nbuild = true\n")
    assert main(["inspect"]) == 2
    assert "several services: a, b" in capsys.readouterr().err
    assert main(["inspect", "--service", "a"]) == 4
    assert "run: locald build --service a" in capsys.readouterr().err
