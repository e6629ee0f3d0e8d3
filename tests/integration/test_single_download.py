"""Many fetch the same image at once: every blob of it comes once."""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

from oci.platform import Platform
from oci.process import CommandRunner
from oci.skopeo import Skopeo
from oci.store import ImageStore
from tests.support.images import make_image, tar_layer
from tests.support.publishing import push
from tests.support.registry import Registry, registry
from tests.support.registry_faults import serve_faults
from tests.support.waiting import wait_until

__all__ = ["registry"]

REPOSITORY = Path(__file__).parents[2]
NAME = "team/app:1"
MANY = 6
FETCH = """
import sys, time
from pathlib import Path

from oci.location import ImageLocation
from oci.platform import Platform
from oci.process import CommandRunner
from oci.reference import Reference
from oci.registries import Registries, RegistryAccess
from oci.skopeo import Skopeo
from oci.store import ImageStore

root, host, name = Path(sys.argv[1]), sys.argv[2], Reference.parse(sys.argv[3])
access = RegistryAccess(insecure=frozenset({host}))
store = ImageStore(root, Skopeo(CommandRunner(), Registries(CommandRunner(), access)))
(root.parent / f"ready-{sys.argv[4]}").touch()
while not (root.parent / "go").exists():
    time.sleep(0.001)
fetched = store.fetch(ImageLocation.registry(name), Platform.of_host(), reference=name)
print(fetched.digest)
"""


def test_each_blob_is_asked_for_once_however_many_want_it(
    registry: Registry, tmp_path: Path
) -> None:
    layers = [tar_layer({f"{n}": os.urandom(3_000_000)}) for n in range(3)]
    made = make_image(tmp_path / "made", layers=layers)
    push(made, registry, NAME)
    with serve_faults(registry) as front:
        name = front.reference(NAME)
        argv = (sys.executable, "-c", FETCH, str(tmp_path / "store"), front.host, str(name))
        environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
        fetching = [
            subprocess.Popen(
                (*argv, str(number)),
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for number in range(MANY)
        ]
        try:
            assert wait_until(lambda: len(list(tmp_path.glob("ready-*"))) == MANY)
            (tmp_path / "go").touch()
            results = [process.communicate(timeout=120) for process in fetching]
        finally:
            for process in fetching:
                process.kill()
                process.wait()
        image = made.read()
        assert [out.strip() for out, _ in results] == [str(image.digest)] * MANY, results
        blobs = Counter(
            seen.path.rpartition("/")[2]
            for seen in front.asked
            if seen.method == "GET" and "/blobs/" in seen.path
        )
    assert blobs == {str(digest): 1 for digest in image.layer_digests} | {
        image.manifest.config.digest: blobs[image.manifest.config.digest]
    }
    store = ImageStore(tmp_path / "store", Skopeo(CommandRunner()))
    found = store.find(name, Platform.of_host())
    assert found is not None
    assert found.complete
