"""One build under way. Each step finds out or makes what the next ones need."""

import functools
import os
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from lifecycle.disk_watch import DiskWatch
from lifecycle.documents import SourceMetadata, read_group
from lifecycle.execution import Execution
from lifecycle.phase import Phase
from lifecycle.runtime.limits import enforcement
from lifecycle.runtime.spec import Sandbox
from lifecycle.workspace import Workspace
from locald.build.acquired import Acquired, acquire_all
from locald.build.artifacts import Artifacts
from locald.build.background import Background, complete_beside
from locald.build.caching import OpenCache, open_cache
from locald.build.deliver import deliver, destinations, wants_base
from locald.build.delivery_plan import delivery_of
from locald.build.detect_only import for_detection
from locald.build.keep import keep
from locald.build.ledger import Inputs, Ledger
from locald.build.limits import keep_disk_limit, tell_limits
from locald.build.observer import BuildObserver
from locald.build.phase_inputs import phase_inputs, write_documents
from locald.build.phases import TO_BUILD, TO_DETECTION, TO_EXPORT, run_phases
from locald.build.process_type import check_process_type
from locald.build.secrets import SecretGuard, clear_unsearched, read_secrets
from locald.build.source_metadata import source_metadata
from locald.build.tools import Tools
from locald.build.workshop import make_workspace
from locald.config.request import BuildRequest
from oci.host_tools import PROXY_VARIABLES
from oci.location import ImageLocation
from oci.moved import Moved
from oci.scratch import scratch_folder
from oci.store import StoredImage

if TYPE_CHECKING:
    from locald.build.comparison import Comparison


class BuildRun:
    """The steps are called once, in the order in which they stand here.

    base: the fetch of the run image's layers, beside the phases. workshop: what ends when the
    store has the image: the containers, and the build's folders.
    """

    acquired: Acquired
    base: Background
    opened: OpenCache
    root: Path
    workspace: Workspace
    comparison: "Comparison | None" = None
    execution: Execution
    sandbox: Sandbox
    image: StoredImage
    new_layers: frozenset[str]

    def __init__(
        self,
        request: BuildRequest,
        tools: Tools,
        observer: BuildObserver,
        ledger: Ledger,
        stack: ExitStack,
    ) -> None:
        self.tools = tools
        self.observer = observer
        self.ledger = ledger
        self.clock = ledger.clock
        self.targets = destinations(request.outputs, request.names)
        self.secrets = read_secrets(request, os.environ, observer)
        self.stack = stack
        if request.detect_only:
            request = stack.enter_context(for_detection(request, tools))
        self.request = request

    def acquire(self) -> None:
        """Runtime, builder, run image, buildpacks, the previous image, the cache."""
        request, tools = self.request, self.tools
        with self.clock.step("acquire"):
            self.acquired = acquire_all(request, self.targets, tools, self.observer)
        # An extension may choose another run image; then its layers are the ones to fetch.
        self.base = self._fetch_base(needed=not self._extensible)
        with self.clock.step("cache"):
            self.opened = self.stack.enter_context(
                open_cache(
                    request,
                    self.acquired.builder_image,
                    paths=tools.paths,
                    skopeo=tools.skopeo,
                    observer=self.observer,
                )
            )
        clear_unsearched(self.opened.cache, tools.runner, self.observer)

    def prepare(self) -> None:
        """The folders of this build."""
        request, tools = self.request, self.tools
        self.workshop = self.stack.enter_context(ExitStack())
        self.root = self.workshop.enter_context(
            scratch_folder(tools.paths.ensure(tools.paths.work), tools.runner)
        )
        with self.clock.step("prepare"):
            self.workspace = make_workspace(
                request,
                root=self.root / "build",
                rootfs=self.acquired.rootfs,
                cache=self.opened.cache,
                added=self.acquired.added,
                lifecycle=self.acquired.lifecycle,
                observer=self.observer,
            )
        self.ledger.inputs = Inputs.of(self.acquired, cache=self.opened.cache.root.name)

    def reuse_last_image(self) -> bool:
        """Deliver the last image again when nothing changed since; False: it must be built."""
        request = self.request
        if request.if_changed is None and request.artifacts.report is None:
            return False
        with self.clock.step("compare"):
            comparison = self.comparison = self._compare()
        self.ledger.compared(comparison)
        if comparison.image is None:
            return False
        with self.clock.step("deliver"):
            self.ledger.unchanged(comparison, self.targets)
            missing = tuple(t for t in self.targets if not comparison.is_there(t))
            self.ledger.published = self._deliver(comparison.image, missing)
        comparison.delivered(self.targets)
        comparison.artifacts().write(request.artifacts)
        return True

    def open_sandbox(self) -> None:
        """Where the containers of the phases run."""
        limits = self.workshop.enter_context(enforcement(self.request.limits, self.tools.runner))
        tell_limits(limits, self.observer)
        watch = DiskWatch((self.root, self.opened.cache.root))
        self.execution = Execution(
            name=f"locald-{os.getpid()}-{self.root.name}",
            rootfs=self.acquired.rootfs,
            inputs=phase_inputs(self.request, self.acquired, self.workspace, self.tools.runner),
            workspace=self.workspace,
            image_env=self.acquired.builder_image.env,
            proxy_env={n: os.environ[n] for n in PROXY_VARIABLES if os.environ.get(n)},
            network=self.request.network,
            disk_watch=watch,
            limits=limits,
            secrets=self.secrets,
        )
        with self.clock.step("sandbox"):
            runtime = self.acquired.selection.runtime
            self.sandbox = self.workshop.enter_context(runtime.open(self.workspace.sandbox))
            budget = keep_disk_limit(
                watch,
                limits,
                self.sandbox,
                root=self.root,
                cache=self.opened.cache.root,
                runner=self.tools.runner,
            )
            if budget is not None:
                self.workshop.callback(budget.close)
        short = self._extensible or self.request.detect_only
        self._make_ready(TO_DETECTION if short else tuple(Phase))
        with self.clock.step("prepare"):
            write_documents(self.request, self.revision, self.acquired, self.workspace)

    def detect(self) -> None:
        """Which buildpacks fit."""
        self._run(TO_DETECTION)
        self.ledger.detected(read_group(self.workspace.layers))

    def extend(self) -> None:
        """What image extensions say: another run image, Dockerfiles."""
        if not self._extensible:
            return
        # buildah and all that belongs to it; most builders have no extension.
        from locald.build.extend import BuildImages, extend

        with self.clock.step("extend"):
            extended = extend(
                BuildImages.of(self.acquired, self.targets),
                self.request,
                store=self.tools.store,
                runner=self.tools.runner,
                execution=self.execution,
                observer=self.observer,
            )
        self.acquired = replace(
            self.acquired,
            run_image=extended.run_image,
            run_image_name=extended.run_image_name,
            top_layer=extended.top_layer,
        )
        self.ledger.extended(self.acquired.run_image, str(self.acquired.run_image_name))
        self.base = self._fetch_base(needed=True)
        self.execution = replace(self.execution, build_root=extended.build_root)
        self._make_ready((*TO_BUILD, *TO_EXPORT))

    def execute(self) -> None:
        """The buildpacks' work, and the image; then the store has it under all its names."""
        guard = SecretGuard(
            self.secrets,
            self.opened.cache,
            self.workspace.layers,
            runner=self.tools.runner,
            observer=self.observer,
        )
        with guard.watching():
            self._run(TO_BUILD)
            check_process_type(self.request, self.workspace.layers)
            self._run(TO_EXPORT)
        with self.clock.step("keep"):
            self.image, self.new_layers = keep(
                self.request, self.acquired, self.workspace, guard, self.tools.store
            )
            comparison = self.comparison
            remembering = comparison is not None and comparison.wanted
            if self.request.artifacts.from_build or remembering:
                left = Artifacts.of_build(self.workspace.layers, self.image, self.request.names)
                left.write(self.request.artifacts)
                if comparison is not None:
                    comparison.remember(self.image, self.ledger.buildpacks, left)

    def deliver(self) -> None:
        """To where the user wants it; the cache to where others find it."""
        # The store has the image: containers and folders go meanwhile.
        clearing = Background(self.workshop.close, needed=True)
        self.stack.callback(clearing.wait)
        with self.clock.step("deliver"):
            published = self._deliver(self.image, self.targets)
        if self.comparison is not None:
            self.comparison.delivered(self.targets)
        self.ledger.built(self.image, self.new_layers, tuple(map(str, self.targets)), published)
        with self.clock.step("cache"):
            self.opened.send()
        with self.clock.step("clear"):
            clearing.join()

    @functools.cached_property
    def revision(self) -> SourceMetadata:
        """Which state of the source this is."""
        folder = None if self.request.archived else self.request.app_dir
        return source_metadata(folder, self.request.metadata, self.tools.runner)

    @property
    def _extensible(self) -> bool:
        return bool(self.acquired.added.order_extensions)

    def _fetch_base(self, *, needed: bool) -> Background:
        wanted = not self.request.detect_only
        wanted = wanted and wants_base(self.targets, sparse=self.request.sparse)
        return complete_beside(
            self.tools.store,
            self.acquired.run_image,
            self.request.platform,
            needed=needed and wanted,
        )

    def _compare(self) -> "Comparison":
        # 10 ms, and most builds neither ask for it nor write a report.
        from locald.build.comparison import Comparison, Ingredients

        ingredients = Ingredients(
            request=self.request,
            builder=self.acquired.builder,
            run_image=(str(self.acquired.run_image_name), self.acquired.run_image),
            workspace=self.workspace,
            revision=lambda: self.revision,
            cache=self.opened.cache.root,
        )
        # What a Dockerfile of an extension brings from elsewhere, nobody can tell.
        able = not self._extensible
        return Comparison(ingredients, self.tools.store, self.observer, able=able)

    def _make_ready(self, phases: tuple[Phase, ...]) -> None:
        """Containers are made ready while other things go on; each starts in its turn."""
        for phase in phases:
            self.sandbox.prepare(self.execution.spec(phase))

    def _run(self, phases: tuple[Phase, ...]) -> None:
        run_phases(phases, self.execution, self.sandbox, self.observer, self.ledger)

    def _deliver(self, image: StoredImage, targets: tuple[ImageLocation, ...]) -> tuple[Moved, ...]:
        self.base.join()
        return deliver(
            delivery_of(image, targets, self.request, self.acquired),
            store=self.tools.store,
            skopeo=self.tools.skopeo,
            observer=self.observer,
        )
