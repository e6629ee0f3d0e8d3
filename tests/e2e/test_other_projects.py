"""Two projects that take the same name for their image: neither sees what the other one cached."""

from pathlib import Path

from tests.e2e.conftest import AppMaker
from tests.e2e.test_mounts import said
from tests.support.buildpack_folder import BUILDS, BuildpackFolder
from tests.support.e2e import Installation

KEEPS = """\
layer="$CNB_LAYERS_DIR/kept"
for place in "$LOCALD_BUILD_CACHE" "$layer"; do
    if [[ -e $place/of ]]; then echo "say found $(cat "$place/of")"; fi
done
mkdir -p "$layer"
cat name >"$layer/of"
cat name >"$LOCALD_BUILD_CACHE/of"
printf '[types]\\ncache = true\\n' >"$layer.toml"
"""


def test_a_cache_is_for_one_project(
    installation: Installation, make: AppMaker, tmp_path: Path
) -> None:
    buildpack = BuildpackFolder.make(tmp_path / "buildpack", build=f"{KEEPS}{BUILDS}")
    one, other = make("one", {"name": "one"}), make("other", {"name": "other"})
    name = installation.name(one)

    def found(app: Path) -> list[str]:
        return said(installation.build(app, "--tag", name, buildpack=buildpack).stderr)

    assert found(one) == []
    assert found(other) == []
    assert found(one) == ["found one"] * 2, "else there would be nothing to see"
    assert found(other) == ["found other"] * 2
