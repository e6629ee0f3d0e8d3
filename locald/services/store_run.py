"""An application straight from the image store: no copy in podman's storage is needed."""

from pathlib import Path, PurePosixPath

from lifecycle.runtime.spec import ContainerRuntime, ContainerSpec
from locald.build.tools import Tools
from locald.services.application import STOP_GRACE_SECONDS, Application, RunObserver
from locald.services.base_layers import complete_layers
from locald.services.image_user import ImageUser, home_folder, image_user
from oci.scratch import scratch_folder

_DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def run_from_store(
    application: Application, runtime: ContainerRuntime, tools: Tools, observer: RunObserver
) -> int:
    """Unpack the image once, and run one container on it through a throwaway overlay."""
    stored = application.stored
    complete_layers(stored, stored.config.platform, tools.store, tell=observer.note)
    user = image_user(stored)
    id_map = runtime.id_map(user.uid, user.gid)
    rootfs = tools.store.unpack(stored, id_map, tell=observer.note)
    with scratch_folder(tools.paths.ensure(tools.paths.work), tools.runner) as root:
        scratch = root / "sandbox"
        scratch.mkdir()
        with runtime.open(scratch) as sandbox:
            spec = container_spec(application, rootfs, user)
            return sandbox.run(spec, on_line=observer.program_line)


def container_spec(application: Application, rootfs: Path, user: ImageUser) -> ContainerSpec:
    """The container, with what engines add to an image's environment: PATH and HOME."""
    config = application.stored.config.config
    return ContainerSpec(
        name=application.container,
        rootfs=rootfs,
        argv=application.start.argv,
        env={
            "PATH": _DEFAULT_PATH,
            "HOME": home_folder(rootfs, user.uid),
            **config.environment,
            **application.added_env,
        },
        cwd=PurePosixPath("/", config.working_dir),
        user=user.uid,
        group=user.gid,
        network=application.network,
        ports=application.published,
        stop_grace_seconds=STOP_GRACE_SECONDS,
    )
