"""What a request's build and detect phases see of the host, besides the source."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from lifecycle.bindings import BINDINGS, Binding, read_binding
from lifecycle.inputs import MountPaths
from lifecycle.runtime.spec import Mount
from locald.config.binding import parse_binding
from locald.config.project_files import blamed_on, inside
from locald.config.resolution import Resolution
from locald.config.secret import (
    SecretSource,
    check_secret_id,
    parse_secret_flag,
    parse_secret_source,
)
from locald.config.volume import check_volume_target, parse_volume
from oci.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class MountRequest:
    """Volumes, service bindings, and where the secrets are to be read from.

    missing_secrets: what the project needs and nobody gave: id → the flag that gives it.
    """

    volumes: tuple[Mount, ...] = ()
    bindings: tuple[Binding, ...] = ()
    secrets: tuple[SecretSource, ...] = field(default=())
    missing_secrets: Mapping[str, str] = field(default_factory=dict)


def resolve_mounts(resolution: Resolution, paths: MountPaths) -> MountRequest:
    """--volume, --binding, --secret, and the keys of the files. paths: of this request."""
    volumes = _volumes(resolution, paths)
    bindings = _bindings(resolution)
    for binding in bindings:
        target = paths.platform / BINDINGS / binding.name
        for mount in volumes:
            if mount.target.is_relative_to(target) or target.is_relative_to(mount.target):
                raise UsageError(
                    f"--volume: {mount.target} is where the binding {binding.name} is",
                    hint="leave out one of both",
                )
    secrets = _secrets(resolution)
    return MountRequest(
        volumes=volumes,
        bindings=bindings,
        secrets=secrets,
        missing_secrets=_missing_secrets(resolution, [secret.id for secret in secrets]),
    )


def _volumes(resolution: Resolution, paths: MountPaths) -> tuple[Mount, ...]:
    """The command line's, the project's, the user's; the first of them decides what is at a
    path."""
    chosen: dict[PurePosixPath, Mount] = {}
    for origin, texts, relative_to in (
        ("--volume", resolution.flags.volumes, Path.cwd()),
        (resolution.key("volumes"), resolution.build.volumes or (), resolution.folder),
        (resolution.user_key("volumes"), resolution.user.volumes, resolution.user_file.parent),
    ):
        project = relative_to if origin == resolution.key("volumes") else None
        found: dict[PurePosixPath, Mount] = {}
        for index, text in enumerate(texts):
            with blamed_on(origin if origin == "--volume" else f"{origin}[{index}]"):
                mount = parse_volume(text, relative_to=relative_to)
                if project is not None:
                    _check_project_volume(mount, text, project)
                check_volume_target(mount.target, paths)
                if mount.target in found:
                    raise UsageError(
                        f"{mount.target} is given twice", hint="one thing can be seen at one path"
                    )
            found[mount.target] = mount
        for target, mount in found.items():
            if target not in chosen:
                chosen[target] = mount
                resolution.origins[f"volumes.{target}"] = origin
    _note_below_the_source(resolution, chosen, paths)
    return tuple(chosen.values())


def _check_project_volume(mount: Mount, text: str, folder: Path) -> None:
    """A stranger's build must not write into the user's files, not even those of the project: a
    hook that it leaves in .git would run as the user, outside of any container."""
    inside(mount.source, folder, text=text)
    if not mount.read_only:
        raise UsageError(
            f"{text[:200]}: a project's file cannot let a build write to your files",
            hint=f"leave out rw, or pass --volume {text[:200]}",
        )


def _note_below_the_source(
    resolution: Resolution, targets: Iterable[PurePosixPath], paths: MountPaths
) -> None:
    for target in targets:
        if target.is_relative_to(paths.app):
            resolution.notes.append(
                f"the volume at {target} does not become a part of the image, "
                "only an empty folder of that name does"
            )


def _bindings(resolution: Resolution) -> tuple[Binding, ...]:
    """A name on the command line replaces the project's."""
    chosen: dict[str, Binding] = {}
    for name, text in resolution.build.bindings.items():
        origin = resolution.key("bindings", name)
        with blamed_on(origin):
            _, folder = parse_binding(f"{name}={text}", relative_to=resolution.folder)
            chosen[name] = read_binding(name, inside(folder, resolution.folder, text=text))
        resolution.origins[f"bindings.{name}"] = origin
    given: set[str] = set()
    for text in resolution.flags.bindings:
        with blamed_on("--binding"):
            name, folder = parse_binding(text, relative_to=Path.cwd())
            if name in given:
                raise UsageError(f"the binding {name} is given twice")
            chosen[name] = read_binding(name, folder)
        given.add(name)
        resolution.origins[f"bindings.{name}"] = "--binding"
    return tuple(chosen.values())


def _secrets(resolution: Resolution) -> tuple[SecretSource, ...]:
    """The command line's alone. A project says what it needs, and gets nothing by that: else any
    repository could have the user's secrets, which it only has to name."""
    chosen: dict[str, SecretSource] = {}
    own, key = resolution.user.secrets, resolution.user_key("secrets")
    for text in resolution.flags.secrets:
        flag = parse_secret_flag(text, relative_to=Path.cwd(), environ=resolution.environ)
        if flag.id in chosen:
            raise UsageError(f"--secret: the secret {flag.id} is given twice")
        if flag.source is None and flag.id not in own:
            raise UsageError(
                f"--secret: nobody says where the secret {flag.id} comes from",
                hint=f"pass --secret id={flag.id},src=FILE (or env=NAME), or put "
                f'{flag.id} = "src=FILE" below [secrets] in {resolution.user_file}',
            )
        chosen[flag.id] = flag.source or parse_secret_source(
            flag.id,
            own[flag.id],
            where=f"{key}.{flag.id}",
            relative_to=resolution.user_file.parent,
            environ=resolution.environ,
        )
        resolution.origins[f"secrets.{flag.id}"] = chosen[flag.id].origin
    return tuple(chosen.values())


def _missing_secrets(resolution: Resolution, given: Collection[str]) -> Mapping[str, str]:
    """Told when it is built: commands that only look at the project need no secret."""
    origin = resolution.key("secrets")
    missing = {}
    for identity in resolution.build.secrets or ():
        check_secret_id(identity, where=origin)
        if identity not in given:
            known = identity in resolution.user.secrets
            missing[identity] = f"--secret id={identity}" + ("" if known else ",src=FILE")
    if missing:
        resolution.origins["missing_secrets"] = origin
    return missing
