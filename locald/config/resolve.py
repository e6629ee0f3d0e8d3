"""Which source of a value wins: flags > locald.toml > project.toml > the user's file > defaults.

A project's own files may come from a stranger. They may narrow what a build can do, never widen
it: no host network, no push, no path outside the project, no value of our environment.

Each kind of value is decided in a file of its own, named after it; here they are put together.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from lifecycle.inputs import mount_paths
from locald.config.artifacts import resolve_artifacts
from locald.config.build_flags import BuildFlags
from locald.config.built_services import build_count, built_services, check_names
from locald.config.caching import resolve_caching
from locald.config.containers import (
    check_user_ids,
    resolve_network,
    resolve_runtime,
    resolve_timeout,
    resolve_workspace,
)
from locald.config.creation_time import resolve_creation_time
from locald.config.destinations import resolve_outputs, resolve_sparse
from locald.config.environment import resolve_env, resolve_exec_env
from locald.config.flag_path import readable_path
from locald.config.image_component import image_component
from locald.config.image_names import resolve_names, resolve_project_name
from locald.config.images import resolve_builder, resolve_previous_image, resolve_run_image
from locald.config.limits import resolve_limits
from locald.config.modules import resolve_modules
from locald.config.mounts import resolve_mounts
from locald.config.project_files import ProjectFiles, blamed_on, for_service, read_project_files
from locald.config.project_toml import ProjectMetadata
from locald.config.pull_policy import PullPolicy
from locald.config.registries import resolve_registries, resolve_run_image_mirrors
from locald.config.request import BuildRequest
from locald.config.resolution import Resolution
from locald.config.sources import refuse_lost_outputs, resolve_source_rules
from locald.config.user_config import UserConfig, read_user_config
from locald.config.written_places import check_written_places
from locald.paths import Paths
from oci.errors import UsageError
from oci.platform import Platform

_PROCESS_TYPE = re.compile(r"[A-Za-z0-9._-]+")


def read_requests(
    flags: BuildFlags,
    paths: Paths,
    environ: Mapping[str, str] | None = None,
    *,
    archive: Path | None = None,
) -> tuple[BuildRequest, ...]:
    """Read the project's and the user's files, then `resolve`. Raises UsageError.

    archive: what the project's folder was unpacked from.
    """
    descriptor = readable_path(flags.descriptor, "--descriptor")
    files = read_project_files(flags.path, descriptor=descriptor, archive=archive)
    user = read_user_config(paths.user_config)
    return resolve(
        flags,
        files=files,
        user=user,
        user_file=paths.user_config,
        environ=os.environ if environ is None else environ,
    )


def resolve(
    flags: BuildFlags,
    *,
    files: ProjectFiles,
    user: UserConfig,
    user_file: Path,
    environ: Mapping[str, str],
) -> tuple[BuildRequest, ...]:
    """One request for each image: flags > locald.toml > project.toml > user > defaults.

    Several services with `build` give several requests, unless flags name one; a project
    without any gives one request for its whole folder. Raises UsageError.
    """
    services = built_services(flags, files)
    if len(services) > 1:
        _refuse_shared(flags, [str(service) for service, _ in services])
    many = files.locald is not None and build_count(files) > 1
    requests = tuple(
        _request(
            Resolution(
                flags=flags,
                service=service,
                build=build,
                files=for_service(files, service),
                user=user,
                user_file=user_file,
                environ=environ,
            ),
            suffix=f"-{image_component(service)}" if many and service else "",
        )
        for service, build in services
    )
    check_names(requests)
    check_written_places(requests)
    return requests


def _refuse_shared(flags: BuildFlags, services: list[str]) -> None:
    """What can be true of one image only."""
    for flag, given, key in (("--tag", flags.tags, "tags"), ("--output", flags.outputs, "output")):
        if given:
            raise UsageError(
                f"{flag} is for one image, but {len(services)} services are built: "
                + ", ".join(services),
                hint=f"add --service NAME, or put {key} into each [service.NAME.build]",
            )


def _request(resolution: Resolution, *, suffix: str) -> BuildRequest:
    """One request; `suffix` tells this service's image from its siblings'."""
    flags, descriptor = resolution.flags, resolution.descriptor
    platform = _platform(resolution)
    exec_env = resolve_exec_env(resolution)
    project = resolve_project_name(resolution)
    names = resolve_names(resolution, project, suffix)
    outputs = resolve_outputs(resolution, names.called)
    refuse_lost_outputs(resolution, outputs)
    workspace = resolve_workspace(resolution)
    check_user_ids(resolution)
    caching = resolve_caching(resolution, suffix)
    return BuildRequest(
        app_dir=resolution.files.app_dir,
        project_dir=resolution.files.archive or resolution.folder,
        project_name=project,
        service=resolution.service,
        names=names.called,
        kept_names=names.kept,
        builder=resolve_builder(resolution, platform),
        run_image=resolve_run_image(resolution),
        run_image_mirrors=resolve_run_image_mirrors(resolution),
        previous_image=resolve_previous_image(resolution),
        platform=platform,
        pull_policy=_pull_policy(resolution),
        registries=resolve_registries(resolution),
        modules=resolve_modules(resolution, exec_env),
        source_rules=replace(
            resolve_source_rules(resolution), own=caching.own_paths(resolution.files.app_dir)
        ),
        metadata=descriptor.identity if descriptor is not None else ProjectMetadata(),
        env=resolve_env(resolution, exec_env),
        exec_env=exec_env,
        mounts=resolve_mounts(resolution, mount_paths(workspace)),
        network=resolve_network(resolution),
        runtime=resolve_runtime(resolution),
        workspace=workspace,
        uid=flags.uid,
        gid=flags.gid,
        creation_time=resolve_creation_time(resolution),
        timeout_seconds=resolve_timeout(resolution),
        limits=resolve_limits(resolution),
        ca_cert=readable_path(flags.ca_cert, "--ca-cert"),
        process_type=resolution.word("process_type", "--default-process", "process", _PROCESS_TYPE),
        caching=caching,
        outputs=outputs,
        sparse=resolve_sparse(resolution, outputs),
        artifacts=resolve_artifacts(resolution, own_folder=suffix.removeprefix("-")),
        if_changed=flags.if_changed,
        detect_only=flags.detect_only,
        explain=flags.explain,
        notes=(*(descriptor.notes if descriptor is not None else ()), *resolution.notes),
        origins=resolution.origins,
    )


def _platform(resolution: Resolution) -> Platform:
    """What the image is built for."""
    for text, origin in (
        (resolution.flags.platform, "--platform"),
        (resolution.build.platform, resolution.key("platform")),
    ):
        if text is not None:
            resolution.origins["platform"] = origin
            with blamed_on(origin):
                return Platform.parse(text)
    return Platform.of_host()


def _pull_policy(resolution: Resolution) -> PullPolicy:
    """Never decided by a project's file."""
    if resolution.flags.pull_policy is not None:
        resolution.origins["pull_policy"] = "--pull-policy"
        return resolution.flags.pull_policy
    if resolution.user.pull_policy is not None:
        resolution.origins["pull_policy"] = resolution.user_key("pull-policy")
        return resolution.user.pull_policy
    return PullPolicy.IF_NOT_PRESENT
