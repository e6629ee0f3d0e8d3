"""An application straight from the image store: no copy in podman's storage is needed."""

from pathlib import Path, PurePosixPath

from lifecycle.runtime.spec import ContainerRuntime, ContainerSpec
from locald.build.pipeline import Tools
from locald.build.work_folder import work_folder
from locald.services.application import STOP_GRACE_SECONDS, Application, RunObserver
from locald.services.base_layers import complete_layers
from locald.services.image_user import ImageUser, home_folder, image_user
from oci.idmap import IdMap, SubordinateIds
from oci.userns import UserNamespace

_DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def run_from_store(
    application: Application, runtime: ContainerRuntime, tools: Tools, observer: RunObserver
) -> int:
    """Unpack the image once, and run one container on it through a throwaway overlay."""
    stored = application.stored
    complete_layers(stored, stored.config.platform, tools.store, tell=observer.note)
    user = image_user(stored)
    rootfs = _rootfs(application, runtime.id_map(user.uid, user.gid), tools, observer)
    with work_folder(tools.paths, tools.runner) as root:
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


def _rootfs(application: Application, id_map: IdMap, tools: Tools, observer: RunObserver) -> Path:
    ready = tools.store.unpacked(application.stored, id_map)
    if ready is not None:
        return ready
    observer.note(f"Unpacking {application.name.familiar}")
    ids = None if id_map.single else SubordinateIds.of_current_user()
    with UserNamespace(tools.runner, ids=ids, own_pids=False) as namespace:
        return tools.store.rootfs(application.stored, id_map, namespace)
