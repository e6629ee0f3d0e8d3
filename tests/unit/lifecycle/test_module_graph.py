"""What composite buildpacks need, and whether that ends."""

import json
from pathlib import Path

import pytest

from lifecycle.buildpack import Buildpack
from lifecycle.buildpack_source import BUILDPACK_LAYERS_LABEL
from lifecycle.module import ModuleRef, OrderEntry
from lifecycle.module_graph import builder_orders, check_graph
from oci.errors import ImageError
from tests.support.buildpackage import make_composite


def composite(folder: Path, name: str, *needs: str) -> Buildpack:
    return Buildpack.read(make_composite(folder / name, needs, id=name, version="1.0.0"))


def test_what_is_needed_may_be_added_or_in_the_builder(tmp_path: Path) -> None:
    outer = composite(tmp_path, "outer", "inner@1.0.0", "builder/one@1.0.0?")
    inner = composite(tmp_path, "inner", "builder/one@1.0.0")
    check_graph((outer, inner), {("builder/one", "1.0.0")}, {})
    check_graph((), {}, {})


@pytest.mark.parametrize("need", ["other@1.0.0", "builder/one@2.0.0", "other@1.0.0?"])
def test_what_is_nowhere_is_named(tmp_path: Path, need: str) -> None:
    outer = composite(tmp_path, "outer", need)
    named = f"outer@1.0.0 needs {need.removesuffix('?')}, which neither"
    with pytest.raises(ImageError, match=named) as caught:
        check_graph((outer,), {("builder/one", "1.0.0")}, {})
    assert "package.toml" in caught.value.hint


def test_a_circle_is_named(tmp_path: Path) -> None:
    a = composite(tmp_path, "a", "b@1.0.0")
    b = composite(tmp_path, "b", "c@1.0.0")
    c = composite(tmp_path, "c", "x@1.0.0", "a@1.0.0")
    known = {("x", "1.0.0")}
    with pytest.raises(ImageError, match=r"a@1\.0\.0 → b@1\.0\.0 → c@1\.0\.0 → a@1\.0\.0"):
        check_graph((a, b, c), known, {})
    own = composite(tmp_path, "own", "own@1.0.0")
    with pytest.raises(ImageError, match=r"own@1\.0\.0 → own@1\.0\.0$"):
        check_graph((own,), (), {})


def test_a_circle_through_the_builder_s_composites_is_found(tmp_path: Path) -> None:
    mine = composite(tmp_path, "mine", "theirs@1.0.0")
    label = {"theirs": {"1.0.0": {"api": "0.10", "order": [{"group": [{"id": "mine", "version": "1.0.0"}]}]}}}  # fmt: skip  # noqa: E501
    orders = builder_orders({BUILDPACK_LAYERS_LABEL: json.dumps(label)}, origin="b")
    assert orders == {("theirs", "1.0.0"): (OrderEntry((ModuleRef("mine", "1.0.0"),)),)}
    with pytest.raises(ImageError, match="need each other: mine"):
        check_graph((mine,), set(orders), orders)


def test_a_diamond_is_no_circle_and_many_paths_take_no_time(tmp_path: Path) -> None:
    layers = 60  # 2 to the 60th paths
    added = []
    for number in range(layers):
        below = [f"l{number + 1}{side}@1.0.0" for side in "ab"] if number < layers - 1 else []
        for side in "ab":
            need = below or ["x@1.0.0"]
            added.append(composite(tmp_path, f"l{number}{side}", *need))
    check_graph(added, {("x", "1.0.0")}, {})


@pytest.mark.parametrize("text", ["", "null"])
def test_a_builder_without_the_label_has_no_composites(text: str) -> None:
    assert builder_orders({BUILDPACK_LAYERS_LABEL: text}, origin="b") == {}


@pytest.mark.parametrize("text", ["[]", "{", '{"a": {"1": {"order": 3}}}', "[" * 100_000])
def test_a_broken_label_is_named(text: str) -> None:
    with pytest.raises(ImageError, match=f"b: the label {BUILDPACK_LAYERS_LABEL} cannot be read"):
        builder_orders({BUILDPACK_LAYERS_LABEL: text}, origin="b")
