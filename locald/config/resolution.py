"""What every decision about one request looks at, and where it notes where a value came from."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from locald.config.build_flags import BuildFlags
from locald.config.errors import ConfigError, shown
from locald.config.image_source import ImageSource
from locald.config.locald_toml import Build
from locald.config.project_files import ProjectFiles, blamed_on, location_inside
from locald.config.project_toml import ProjectToml
from locald.config.user_config import UserConfig
from oci.location import ImageLocation, is_location
from oci.reference import Reference


@dataclass(frozen=True, kw_only=True)
class Resolution:
    """One request in the making: all sources of its values, strongest first.

    service, build: the service and its `[service.NAME.build]`; None and an empty one when the
        whole project is built.
    origins: field of the request → where its value came from; each decision adds its own.
    notes: what people should know of the decisions, one line each.
    """

    flags: BuildFlags
    service: str | None
    build: Build
    files: ProjectFiles
    user: UserConfig
    user_file: Path
    environ: Mapping[str, str]
    origins: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def folder(self) -> Path:
        """The project's folder, absolute."""
        return self.files.folder

    @property
    def descriptor(self) -> ProjectToml | None:
        """project.toml, if there is one."""
        return self.files.descriptor

    def key(self, *keys: str) -> str:
        """File and key path of something in this service's build table, for messages."""
        return ".".join((self._build_table, *keys))

    def descriptor_key(self, name: str) -> str:
        """File and key path of a field of project.toml, for messages."""
        keys = self.descriptor.keys if self.descriptor is not None else {}
        return f"{shown(self.files.descriptor_file)}: {keys.get(name, name)}"

    def user_key(self, name: str) -> str:
        """File and key of a setting of the user's own, for messages."""
        return f"{shown(self.user_file)}: {name}"

    @property
    def locald_label(self) -> str:
        """locald.toml, as messages call it."""
        return shown(self.files.locald_file)

    def word(self, name: str, flag: str, key: str, form: re.Pattern[str]) -> str | None:
        """A flag's or locald.toml's text of a certain form."""
        text = getattr(self.flags, name)
        origin = flag
        if text is None:
            text, origin = getattr(self.build, key), self.key(key)
        if text is None:
            return None
        if not form.fullmatch(text):
            raise ConfigError(
                f"{origin}: {text[:60]!r} is not a name",
                hint=f"use the characters {form.pattern.removesuffix('+')}",
            )
        self.origins[name] = origin
        return str(text)

    def image(self, name: str, text: str, origin: str, relative_to: Path) -> ImageSource:
        """An image that the command line or the user's own file names."""
        self.origins[name] = origin
        with blamed_on(origin):
            if is_location(text):
                return ImageLocation.parse(text, relative_to=relative_to)
            return Reference.parse(text).with_default_tag()

    def project_image(
        self,
        name: str,
        text: str,
        origin: str,
        *,
        folder: Path | None = None,
        limit: Path | None = None,
    ) -> ImageSource:
        """An image that a file of the project names.

        folder: where a path starts. limit: what it stays inside. Without, the project's folder.
        """
        source = self.image(name, text, origin, folder or self.folder)
        with blamed_on(origin):
            if isinstance(source, ImageLocation):
                location_inside(source, limit or self.folder, text=text)
        return source

    @property
    def _build_table(self) -> str:
        if self.files.locald is None or self.service is None:
            return self.locald_label
        return f"{self.locald_label}: {self.files.locald.key(self.service, 'build')}"


def texts(value: str | tuple[str, ...] | None) -> tuple[str, ...]:
    """A key that takes one text or a list of them."""
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else value
