"""A build cannot take over the name of an image that was fetched, or made otherwise."""

from pathlib import Path

import pytest

from locald.build.ledger import Ledger
from locald.build.pipeline import build
from locald.build.tools import Tools
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

TAKEN = Reference.parse("docker.io/acme/builder:1")


@pytest.mark.parametrize("fetched", [True, False])
def test_the_name_of_another_image_is_refused_before_anything_runs(
    tmp_path: Path, fetched: bool
) -> None:
    made = make_image(tmp_path / "image", files={"a": b"1"})
    paths = Paths.from_environment({"LOCALD_DATA_DIR": str(tmp_path / "data")})
    runner = CommandRunner()
    skopeo = Skopeo(runner)
    store = ImageStore(paths.ensure(paths.store), skopeo)
    if fetched:
        source = ImageLocation.layout(made.path)
        stored = store.fetch(source, Platform.of_host(), reference=TAKEN)
    else:  # as `locald builder create` leaves it
        stored = store.commit(made, (TAKEN,), Platform.of_host())
    app = tmp_path / "app"
    app.mkdir()
    (request,) = read_requests(BuildFlags(path=app, tags=(str(TAKEN),)), paths)

    with pytest.raises(ImageError, match="a build cannot replace it"):
        build(
            request,
            Tools(runner=runner, skopeo=skopeo, store=store, paths=paths),
            Console(progress=Progress.PLAIN),
            Ledger(request=request),
        )
    found = store.find(TAKEN, Platform.of_host())
    assert found is not None
    assert found.digest == stored.digest
