"""`locald build`."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import typer

from lifecycle.runtime.select import refuse_root
from locald.build.ledger import BuildStatus, Ledger
from locald.build.pipeline import build
from locald.build.report import STDOUT, report_text, write_report
from locald.build.side_by_side import side_by_side
from locald.cli.console import Console, Progress
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
from locald.cli.summary import summary
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
    memory: environment.Memory = None,
    pids: environment.Pids = None,
    max_disk: environment.MaxDisk = None,
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
        memory=memory,
        pids=pids,
        max_disk=max_disk,
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
        else:
            ledgers = [Ledger(request=request) for request in requests]
            with _reported(ledgers, state.console):
                _build_all(ledgers, state, jobs=jobs)


def register(app: typer.Typer) -> None:
    """Add `locald build`."""
    app.command("build")(build_command)


def _tell_context(requests: tuple[BuildRequest, ...], console: Console, progress: Progress) -> None:
    from locald.cli.tell_context import tell_context

    tell_context(requests, console, as_json=progress is Progress.JSON)


def _build(ledger: Ledger, state: State, console: Console) -> None:
    request = ledger.request
    for note in request.notes:
        console.note(note)
    for name, origin in request.origins.items():
        console.detail(f"{name}: from {origin}")
    try:
        refuse_root()
        build(request, state.tools(request.registries), console, ledger)
    except BaseException as error:
        ledger.failed(error)
        raise
    finally:
        if request.explain and ledger.explanation is not None:
            console.explained(ledger.explanation)


def _build_all(ledgers: list[Ledger], state: State, *, jobs: int | None) -> None:
    if len(ledgers) == 1:
        _build(ledgers[0], state, state.console)
        _summarize(ledgers[0], state.console)
    else:
        default = read_user_config(state.paths.user_config).jobs or 1
        _build_services(ledgers, state, jobs=jobs or default)


def _build_services(ledgers: list[Ledger], state: State, *, jobs: int) -> None:
    """All services. What failed is told when it fails, and does not stop the others."""

    def work(ledger: Ledger) -> None:
        console = state.console.for_service(str(ledger.request.service))
        try:
            _build(ledger, state, console)
        except Error as error:
            console.error(error)
            raise
        finally:
            console.finished()

    results = side_by_side([partial(work, ledger) for ledger in ledgers], jobs=jobs)
    failures = [result for result in results if isinstance(result, Error)]
    for ledger in ledgers:
        if ledger.status is not BuildStatus.FAILED:
            _summarize(ledger, state.console)
    if failures:
        state.console.note(f"{len(failures)} of {len(results)} services failed")
        raise typer.Exit(failures[0].exit_code)


@contextmanager
def _reported(ledgers: list[Ledger], console: Console) -> Iterator[None]:
    """Whatever the end is, the report tells it."""
    path = ledgers[0].request.artifacts.report
    try:
        yield
    except BaseException:
        with suppress(Error):  # the first failure is the one to tell
            _report(path, ledgers, console)
        raise
    _report(path, ledgers, console)


def _report(path: Path | None, ledgers: list[Ledger], console: Console) -> None:
    if path == STDOUT:
        console.document(report_text(ledgers, yaml_form=False))
    elif path is not None:
        write_report(path, ledgers)


def _summarize(ledger: Ledger, console: Console) -> None:
    request = ledger.request
    console.note(summary(ledger))
    if request.artifacts.report == STDOUT:
        return
    if ledger.image is None:
        console.result(" ".join(ledger.buildpacks))
        return
    for name in request.names:
        console.result(f"{name.name}@{ledger.image.digest}")
