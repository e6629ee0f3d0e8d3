"""`locald build`."""

from dataclasses import replace
from functools import partial

import typer

from locald.build.pipeline import build
from locald.build.report import STDOUT, BuildResult, report_text, write_report
from locald.build.side_by_side import side_by_side
from locald.cli.console import Console, Progress
from locald.cli.moved_text import moved_text
from locald.cli.options import (
    buildpacks,
    cache,
    environment,
    images,
    output,
    pack,
    registry,
    source,
)
from locald.cli.source_path import chosen_path, opened_source
from locald.cli.state import State
from locald.config.build_flags import BuildFlags
from locald.config.request import BuildRequest
from locald.config.resolve import read_requests
from locald.config.user_config import read_user_config
from oci.errors import Error


def build_command(
    path: source.PathArgument = None,
    path_option: source.PathOption = None,
    descriptor: source.Descriptor = None,
    ignore_file: source.IgnoreFile = None,
    service: source.Service = None,
    jobs: source.Jobs = None,
    show_context: source.ShowContext = False,
    tag: images.Tag = None,
    builder: images.Builder = None,
    run_image: images.RunImage = None,
    previous_image: images.PreviousImage = None,
    pull_policy: images.Pull = None,
    process: images.DefaultProcess = None,
    platform: images.PlatformOption = None,
    creation_time: images.CreationTime = None,
    buildpack: buildpacks.Buildpack = None,
    pre_buildpack: buildpacks.PreBuildpack = None,
    post_buildpack: buildpacks.PostBuildpack = None,
    extension: buildpacks.Extension = None,
    disable_system_buildpacks: buildpacks.DisableSystemBuildpacks = False,
    lifecycle: buildpacks.Lifecycle = None,
    env: environment.Env = None,
    env_file: environment.EnvFile = None,
    exec_env: environment.ExecEnv = None,
    volume: environment.Volume = None,
    binding: environment.Binding = None,
    secret: environment.Secret = None,
    network: environment.NetworkOption = None,
    workspace: environment.Workspace = None,
    uid: environment.Uid = None,
    gid: environment.Gid = None,
    ca_cert: environment.CaCert = None,
    runtime: environment.Runtime = None,
    rootless: environment.Rootless = True,
    timeout: environment.Timeout = None,
    cache_folder: cache.Cache = None,
    cache_image: cache.CacheImage = None,
    cache_from: cache.CacheFrom = None,
    clear_cache: cache.ClearCache = False,
    if_changed: cache.IfChanged = None,
    outputs: output.Output = None,
    publish: output.Publish = False,
    sparse: output.Sparse = False,
    sbom_output_dir: output.SbomOutputDir = None,
    report_output_dir: output.ReportOutputDir = None,
    report: output.Report = None,
    detect_only: output.DetectOnly = False,
    explain: output.Explain = False,
    authfile: registry.Authfile = None,
    cert_dir: registry.CertDir = None,
    insecure_registry: registry.InsecureRegistry = None,
    quiet: output.Quiet = False,
    verbose: output.Verbose = False,
    timestamps: output.Timestamps = False,
    progress: output.ProgressOption = Progress.AUTO,
    trust_builder: pack.TrustBuilder = None,
    trust_extra_buildpacks: pack.TrustExtraBuildpacks = False,
    docker_host: pack.DockerHost = None,
    userns_host: pack.UsernsHost = False,
    interactive: pack.Interactive = False,
) -> None:
    """Build an OCI image from source with Cloud Native Buildpacks.

    Standard output carries NAME@DIGEST of what was built, everything else is on standard error.
    """
    state = State.current()
    state.configure(progress=progress, quiet=quiet, verbose=verbose, timestamps=timestamps)
    for note in pack.ignored_flags(
        trust_builder=trust_builder,
        trust_extra_buildpacks=trust_extra_buildpacks,
        docker_host=docker_host,
        userns_host=userns_host,
        interactive=interactive,
    ):
        state.console.note(note)
    flags = BuildFlags(
        path=chosen_path(path, path_option),
        descriptor=descriptor,
        ignore_files=tuple(ignore_file or ()),
        service=service,
        tags=tuple(tag or ()),
        builder=builder,
        run_image=run_image,
        previous_image=previous_image,
        pull_policy=pull_policy,
        process_type=process,
        platform=platform,
        creation_time=creation_time,
        buildpacks=tuple(buildpack or ()),
        pre_buildpacks=tuple(pre_buildpack or ()),
        post_buildpacks=tuple(post_buildpack or ()),
        extensions=tuple(extension or ()),
        disable_system_buildpacks=disable_system_buildpacks,
        lifecycle=lifecycle,
        env=tuple(env or ()),
        env_files=tuple(env_file or ()),
        exec_env=exec_env,
        volumes=tuple(volume or ()),
        bindings=tuple(binding or ()),
        secrets=tuple(secret or ()),
        network=network,
        workspace=workspace,
        uid=uid,
        gid=gid,
        ca_cert=ca_cert,
        runtime=runtime,
        timeout=timeout,
        cache=cache_folder,
        cache_image=cache_image,
        cache_from=tuple(cache_from or ()),
        clear_cache=clear_cache,
        if_changed=if_changed,
        outputs=tuple(outputs or ()),
        publish=publish,
        sparse=sparse,
        sbom_output_dir=sbom_output_dir,
        report_output_dir=report_output_dir,
        report=report,
        detect_only=detect_only,
        explain=explain,
        authfile=authfile,
        cert_dir=cert_dir,
        insecure_registries=tuple(insecure_registry or ()),
    )
    with opened_source(flags.path, state) as opened:
        requests = read_requests(
            replace(flags, path=opened.folder), state.paths, archive=opened.archive
        )
        if show_context:
            _tell_context(requests, state.console, progress)
        elif len(requests) == 1:
            _finish(requests[0], _build(requests[0], state, state.console), state.console)
        else:
            default = read_user_config(state.paths.user_config).jobs or 1
            _build_services(requests, state, jobs=jobs or default)


def register(app: typer.Typer) -> None:
    """Add `locald build`."""
    app.command("build")(build_command)


def _tell_context(requests: tuple[BuildRequest, ...], console: Console, progress: Progress) -> None:
    from locald.cli.tell_context import tell_context

    tell_context(requests, console, as_json=progress is Progress.JSON)


def _build(request: BuildRequest, state: State, console: Console) -> BuildResult:
    for note in request.notes:
        console.note(note)
    for name, origin in request.origins.items():
        console.detail(f"{name}: from {origin}")
    return build(request, state.tools(request.registries), console)


def _build_services(requests: tuple[BuildRequest, ...], state: State, *, jobs: int) -> None:
    """All services. What failed is told when it fails, and does not stop the others."""

    def work(request: BuildRequest) -> BuildResult:
        console = state.console.for_service(str(request.service))
        try:
            return _build(request, state, console)
        except Error as error:
            console.error(error)
            raise
        finally:
            console.finished()

    results = side_by_side([partial(work, request) for request in requests], jobs=jobs)
    for request, result in zip(requests, results, strict=True):
        if isinstance(result, BuildResult):
            _finish(request, result, state.console)
    failures = [result for result in results if isinstance(result, Error)]
    if failures:
        state.console.note(f"{len(failures)} of {len(results)} services failed")
        raise typer.Exit(failures[0].exit_code)


def _finish(request: BuildRequest, result: BuildResult, console: Console) -> None:
    to = request.artifacts.report
    _summarize(console, result, to_stdout=to != STDOUT)
    if to == STDOUT:
        console.document(report_text(result, yaml_form=False))
    elif to is not None:
        write_report(to, result)


def _summarize(console: Console, result: BuildResult, *, to_stdout: bool) -> None:
    console.note(
        f"Built {result.names[0].familiar} in {result.seconds:.1f} s"
        + (f", delivered to {', '.join(result.outputs)}" if result.outputs else "")
        + (f"; {moved_text(result.published)}" if result.published else "")
    )
    if to_stdout:
        for name in result.names:
            console.result(f"{name.name}@{result.image.digest}")
