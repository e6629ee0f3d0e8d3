"""Which source of a value wins: flags > locald.toml > project.toml > the user's file > defaults.

A project's own files may come from a stranger. They may narrow what a build can do, never widen
it: no host network, no push, no path outside the project, no value of our environment.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from lifecycle.runtime.spec import Network, RuntimeName
from locald.config.buildpack_source import BuildpackSource, parse_buildpack, split_buildpacks
from locald.config.built_services import build_count, built_services, check_names
from locald.config.default_builder import default_builder
from locald.config.descriptor_buildpacks import descriptor_buildpacks
from locald.config.dotenv import check_variable, parse_env_flags, read_env_file
from locald.config.errors import ConfigError, shown, suggestion
from locald.config.flag_path import readable_path, report_path
from locald.config.ignore import SourceRules
from locald.config.locald_toml import Build
from locald.config.project_files import (
    ProjectFiles,
    blamed_on,
    inside,
    location_inside,
    read_project_files,
)
from locald.config.project_limits import check_project_name, project_buildpack, project_output
from locald.config.pull_policy import PullPolicy
from locald.config.request import (
    DEFAULT_EXEC_ENV,
    BuildFlags,
    BuildRequest,
    ImageSource,
    ProjectMetadata,
    image_component,
)
from locald.config.user_config import UserConfig, read_user_config
from locald.paths import Paths
from oci.errors import UsageError
from oci.location import ImageLocation, is_location
from oci.platform import Platform
from oci.reference import LOCALHOST, Reference

_EXEC_ENV = re.compile(r"[A-Za-z0-9.-]+")
_PROCESS_TYPE = re.compile(r"[A-Za-z0-9._-]+")


def read_requests(
    flags: BuildFlags, paths: Paths, environ: Mapping[str, str] | None = None
) -> tuple[BuildRequest, ...]:
    """Read the project's and the user's files, then `resolve`. Raises UsageError."""
    files = read_project_files(flags.path)
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
    if len(services) > 1 and flags.tags:
        raise UsageError(
            f"--tag names one image, but {len(services)} services are built: "
            + ", ".join(str(service) for service, _ in services),
            hint="add --service NAME, or put tags into each [service.NAME.build]",
        )
    many = files.locald is not None and build_count(files) > 1
    requests = tuple(
        _Resolution(flags, files, user, user_file, environ, service, build).request(
            suffix=f"-{image_component(service)}" if many and service else ""
        )
        for service, build in services
    )
    check_names(requests)
    return requests


class _Resolution:
    """One request in the making. Each method decides one value and notes its origin."""

    def __init__(
        self,
        flags: BuildFlags,
        files: ProjectFiles,
        user: UserConfig,
        user_file: Path,
        environ: Mapping[str, str],
        service: str | None,
        build: Build,
    ) -> None:
        self.flags = flags
        self.files = files
        self.folder = files.folder
        self.user = user
        self.user_file = user_file
        self.environ = environ
        self.service = service
        self.build = build
        self.descriptor = files.descriptor
        self.origins: dict[str, str] = {}

    def request(self, *, suffix: str) -> BuildRequest:
        """The whole request; `suffix` tells this service's image from its siblings'."""
        flags = self.flags
        platform = self.platform()
        exec_env = self.exec_env()
        project = self.project_name()
        return BuildRequest(
            app_dir=self.folder,
            project_name=project,
            service=self.service,
            names=self.names(project, suffix),
            builder=self.builder(platform),
            buildpacks=self.buildpacks(exec_env),
            run_image=self.run_image(),
            env=self.env(exec_env),
            outputs=self.outputs(),
            pull_policy=self.pull_policy(),
            clear_cache=flags.clear_cache,
            network=self.network(),
            runtime=self.runtime(),
            process_type=self.process_type(),
            source_rules=self.source_rules(),
            report=report_path(flags.report),
            ca_cert=readable_path(flags.ca_cert, "--ca-cert"),
            exec_env=exec_env,
            platform=platform,
            metadata=self.descriptor.identity if self.descriptor else ProjectMetadata(),
            notes=self.descriptor.notes if self.descriptor else (),
            origins=self.origins,
        )

    def project_name(self) -> str:
        """[project] name, else the folder's. (project.toml's name is prose, not a name.)"""
        if self.files.locald is not None and self.files.locald.project.name:
            self.origins["project_name"] = f"{self._locald_label}: project.name"
            name = self.files.locald.project.name
            if not name.isprintable():
                raise ConfigError(
                    f"{self._locald_label}: project.name: holds characters that cannot be shown"
                )
            return name
        self.origins["project_name"] = "the folder's name"
        return self.folder.name or "app"

    def names(self, project: str, suffix: str) -> tuple[Reference, ...]:
        """--tag, else the file's tags, else the project's name."""
        if self.flags.tags:
            origin, texts = "--tag", self.flags.tags
        elif self.build.tags:
            origin, texts = self._key("tags"), self.build.tags
        else:
            self.origins["names"] = self.origins["project_name"]
            return (Reference(LOCALHOST, image_component(project) + suffix, "latest"),)
        self.origins["names"] = origin
        names = []
        for text in texts:
            with blamed_on(origin):
                name = Reference.parse(text, default_registry=LOCALHOST).with_default_tag()
                if name.digest is not None:
                    raise UsageError(f"{text!r}: what is built has no digest yet")
                if not self.flags.tags:
                    check_project_name(name, text)
            names.append(name)
        return tuple(dict.fromkeys(names))

    def builder(self, platform: Platform) -> ImageSource:
        """The builder image."""
        if self.flags.builder is not None:
            return self._image("builder", self.flags.builder, "--builder", Path.cwd())
        if self.build.builder is not None:
            return self._project_image("builder", self.build.builder, self._key("builder"))
        if self.descriptor is not None and self.descriptor.builder:
            origin = self._descriptor_key("builder")
            return self._project_image("builder", self.descriptor.builder, origin)
        if self.user.default_builder is not None:
            origin = f"{shown(self.user_file)}: default-builder"
            return self._image("builder", self.user.default_builder, origin, self.user_file.parent)
        return self._image("builder", default_builder(platform), "default", self.folder)

    def run_image(self) -> ImageSource | None:
        """The run image; None leaves it to the builder."""
        if self.flags.run_image is not None:
            return self._image("run_image", self.flags.run_image, "--run-image", Path.cwd())
        named = self.build.run_image
        return self._project_image("run_image", named, self._key("run_image")) if named else None

    def buildpacks(self, exec_env: str) -> tuple[BuildpackSource, ...]:
        """The order to use instead of the builder's. A project's own paths stay inside it."""
        if self.flags.buildpacks:
            self.origins["buildpacks"] = "--buildpack"
            with blamed_on("--buildpack"):
                return tuple(
                    parse_buildpack(text, relative_to=Path.cwd())
                    for text in split_buildpacks(self.flags.buildpacks)
                )
        if self.build.buildpacks is not None:
            self.origins["buildpacks"] = self._key("buildpacks")
            return tuple(
                project_buildpack(text, f"{self._key('buildpacks')}[{index}]", self.folder)
                for index, text in enumerate(self.build.buildpacks)
            )
        if self.descriptor is None:
            return ()
        sources = descriptor_buildpacks(
            self.descriptor, exec_env, folder=self.folder, key=self._descriptor_key
        )
        if sources:
            self.origins["buildpacks"] = self._descriptor_key("group")
        return sources

    def env(self, exec_env: str) -> Mapping[str, str]:
        """--env > --env-file > locald.toml env > its env_file > project.toml."""
        layers: list[tuple[str, Mapping[str, str]]] = []
        if self.descriptor is not None:
            origin = self._descriptor_key("env")
            layers.append((origin, self.descriptor.variables(exec_env)))
        for text in _texts(self.build.env_file):
            with blamed_on(self._key("env_file")):
                path = inside(self.folder / text, self.folder, text=text)
            layers.append((shown(path), read_env_file(path, environ=None)))
        for name, value in self.build.env.items():
            check_variable(name, value, where=self._key("env", name))
        layers.append((self._key("env"), self.build.env))
        for path in self.flags.env_files:
            layers.append((f"--env-file {path}", read_env_file(path.absolute(), self.environ)))
        layers.append(("--env", parse_env_flags(self.flags.env, self.environ)))
        variables: dict[str, str] = {}
        for origin, layer in layers:
            variables.update(layer)
            self.origins.update({f"env.{name}": origin for name in layer})
        return variables

    def outputs(self) -> tuple[ImageLocation, ...]:
        """Where the image goes. A project's file may only choose places that are its own."""
        if self.flags.outputs:
            self.origins["outputs"] = "--output"
            with blamed_on("--output"):
                return tuple(
                    ImageLocation.parse(text, relative_to=Path.cwd()) for text in self.flags.outputs
                )
        texts = _texts(self.build.output)
        if texts:
            self.origins["outputs"] = self._key("output")
        with blamed_on(self._key("output")):
            return tuple(project_output(text, self.folder) for text in texts)

    def pull_policy(self) -> PullPolicy:
        """Never decided by a project's file."""
        if self.flags.pull_policy is not None:
            self.origins["pull_policy"] = "--pull-policy"
            return self.flags.pull_policy
        if self.user.pull_policy is not None:
            self.origins["pull_policy"] = f"{shown(self.user_file)}: pull-policy"
            return self.user.pull_policy
        return PullPolicy.IF_NOT_PRESENT

    def network(self) -> Network:
        """A project's file may narrow the network, never open the host's."""
        if self.flags.network is not None:
            self.origins["network"] = "--network"
            return self.flags.network
        if self.build.network is Network.HOST:
            raise ConfigError(
                f"{self._key('network')}: a project's file cannot open the host's network",
                hint="pass --network host, or set network in your own config.toml",
            )
        if self.build.network is not None:
            self.origins["network"] = self._key("network")
            return self.build.network
        if self.user.network is not None:
            self.origins["network"] = f"{shown(self.user_file)}: network"
            return self.user.network
        return Network.PRIVATE

    def runtime(self) -> RuntimeName | None:
        """Never decided by a project's file; `auto` is None."""
        text, origin = self.flags.runtime, "--runtime"
        if text is None and self.user.runtime is not None:
            text, origin = self.user.runtime, f"{shown(self.user_file)}: runtime"
        if text is None:
            return None
        choices = ("auto", *RuntimeName)
        if text not in choices:
            raise UsageError(
                f"{origin}: {text[:60]!r} is not one of {', '.join(choices)}",
                hint=suggestion(text, choices),
            )
        self.origins["runtime"] = origin
        return None if text == "auto" else RuntimeName(text)

    def process_type(self) -> str | None:
        """The image's default process; None leaves it to the buildpacks."""
        return self._word("process_type", "--default-process", "process", _PROCESS_TYPE)

    def exec_env(self) -> str:
        """The execution environment that buildpacks see."""
        return self._word("exec_env", "--exec-env", "exec_env", _EXEC_ENV) or DEFAULT_EXEC_ENV

    def platform(self) -> Platform:
        """What the image is built for."""
        if self.flags.platform is None:
            return Platform.of_host()
        self.origins["platform"] = "--platform"
        with blamed_on("--platform"):
            return Platform.parse(self.flags.platform)

    def source_rules(self) -> SourceRules:
        """locald.toml's patterns replace project.toml's; with none the defaults hold."""
        rules = SourceRules()
        if self.build.include or self.build.exclude is not None:
            rules = SourceRules(
                include=self.build.include or None,
                exclude=None if self.build.include else self.build.exclude,
                where=self._build_key,
            )
        elif self.descriptor is not None and (
            self.descriptor.include or self.descriptor.exclude is not None
        ):
            rules = SourceRules(
                include=self.descriptor.include,
                exclude=self.descriptor.exclude,
                where=self._descriptor_key("include").removesuffix(".include"),
            )
        rules.check()
        if rules.where:
            self.origins["source_rules"] = rules.where
        return rules

    @property
    def _locald_label(self) -> str:
        return shown(self.files.locald_file)

    @property
    def _build_key(self) -> str:
        if self.files.locald is None or self.service is None:
            return self._locald_label
        return f"{self._locald_label}: {self.files.locald.key(self.service, 'build')}"

    def _key(self, *keys: str) -> str:
        return ".".join((self._build_key, *keys))

    def _descriptor_key(self, name: str) -> str:
        keys = self.descriptor.keys if self.descriptor is not None else {}
        return f"{shown(self.files.descriptor_file)}: {keys.get(name, name)}"

    def _word(self, name: str, flag: str, key: str, form: re.Pattern[str]) -> str | None:
        """A flag's or locald.toml's text of a certain form."""
        text = getattr(self.flags, name)
        origin = flag
        if text is None:
            text, origin = getattr(self.build, key), self._key(key)
        if text is None:
            return None
        if not form.fullmatch(text):
            raise ConfigError(
                f"{origin}: {text[:60]!r} is not a name",
                hint=f"use the characters {form.pattern.removesuffix('+')}",
            )
        self.origins[name] = origin
        return str(text)

    def _image(self, name: str, text: str, origin: str, relative_to: Path) -> ImageSource:
        self.origins[name] = origin
        with blamed_on(origin):
            if is_location(text):
                return ImageLocation.parse(text, relative_to=relative_to)
            return Reference.parse(text).with_default_tag()

    def _project_image(self, name: str, text: str, origin: str) -> ImageSource:
        source = self._image(name, text, origin, self.folder)
        with blamed_on(origin):
            if isinstance(source, ImageLocation):
                location_inside(source, self.folder, text=text)
        return source


def _texts(value: str | tuple[str, ...] | None) -> tuple[str, ...]:
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else value
