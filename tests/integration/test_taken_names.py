"""A build cannot take over the name of an image that was fetched."""

from pathlib import Path

import pytest

from locald.build.pipeline import Tools, build
from locald.cli.console import Console, Progress
from locald.config.build_flags import BuildFlags
from locald.config.resolve import read_requests
from locald.paths import Paths
from oci.errors import ImageError
from oci.location import ImageLocation
from oci.platform import Platform
from oci.process import CommandRunner
from oci.reference import Reference
from oci.skopeo import Skopeo
from oci.store import ImageStore
from tests.support.images import make_image


def test_the_name_of_a_fetched_image_is_refused_before_anything_runs(tmp_path: Path) -> None:
    layout = make_image(tmp_path / "image", files={"a": b"1"})
    paths = Paths.from_environment({"LOCALD_DATA_DIR": str(tmp_path / "data")})
    runner = CommandRunner()
    skopeo = Skopeo(runner)
    store = ImageStore(paths.ensure(paths.store), skopeo)
    taken = Reference.parse("docker.io/acme/builder:1")
    fetched = store.fetch(ImageLocation.layout(layout.path), Platform.of_host(), reference=taken)
    app = tmp_path / "app"
    app.mkdir()
    (request,) = read_requests(BuildFlags(path=app, tags=("docker.io/acme/builder:1",)), paths)

    with pytest.raises(ImageError, match="a build cannot replace it"):
        build(
            request,
            Tools(runner=runner, skopeo=skopeo, store=store, paths=paths),
            Console(progress=Progress.PLAIN),
        )
    found = store.find(taken, Platform.of_host())
    assert found is not None
    assert found.digest == fetched.digest
