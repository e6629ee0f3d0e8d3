"""A builder image, as its labels and its environment describe it. No layer is read.

Source: CNB platform spec 0.15, "Build Image" and "Builder"; the label's JSON is what pack writes
and has no specification, so what it lacks is optional here and what it adds is ignored.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self, TypeVar

import msgspec

from lifecycle.module import ModuleInfo, ModuleRef, OrderEntry, SystemModules
from oci.errors import ImageError
from oci.image import ImageConfig

METADATA_LABEL = "io.buildpacks.builder.metadata"
ORDER_LABEL = "io.buildpacks.buildpack.order"
ORDER_EXTENSIONS_LABEL = "io.buildpacks.buildpack.order-extensions"
SYSTEM_LABEL = "io.buildpacks.buildpack.system"
LIFECYCLE_APIS_LABEL = "io.buildpacks.lifecycle.apis"
LIFECYCLE_VERSION_LABEL = "io.buildpacks.lifecycle.version"
STACK_LABEL = "io.buildpacks.stack.id"
DISTRO_NAME_LABEL = "io.buildpacks.base.distro.name"
DISTRO_VERSION_LABEL = "io.buildpacks.base.distro.version"
UID_VARIABLE = "CNB_USER_ID"
GID_VARIABLE = "CNB_GROUP_ID"

_ID = re.compile(r"[0-9]{1,9}")
_MAX_ID = (1 << 16) - 2
_T = TypeVar("_T")


class ApiVersions(msgspec.Struct, frozen=True):
    """The versions of one API that a lifecycle knows. Labels write null for an empty list."""

    deprecated: tuple[str, ...] | None = None
    supported: tuple[str, ...] | None = None

    @property
    def all(self) -> tuple[str, ...]:
        """Both lists (`supported` may repeat what is deprecated): it still speaks those."""
        return tuple(dict.fromkeys((*(self.deprecated or ()), *(self.supported or ()))))


class LifecycleApis(msgspec.Struct, frozen=True):
    """The APIs that a lifecycle speaks: towards buildpacks, and towards us."""

    buildpack: ApiVersions = ApiVersions()
    platform: ApiVersions = ApiVersions()


@dataclass(frozen=True)
class RunImageChoice:
    """A run image that the builder offers, and names under which registries mirror it."""

    image: str
    mirrors: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class BuilderImage:
    """What a build needs to know of its builder.

    uid, gid: the CNB user. env: the image's environment, whole.
    platform_apis: the Platform API versions of its lifecycle, deprecated ones included.
    run_images: what it offers, the default first; empty when it names none.
    distro: name and version, such as `debian 12`; empty when no label tells.
    """

    uid: int
    gid: int
    env: Mapping[str, str]
    platform_apis: tuple[str, ...]
    lifecycle_version: str
    run_images: tuple[RunImageChoice, ...]
    buildpacks: tuple[ModuleInfo, ...]
    order: tuple[OrderEntry, ...]
    stack_id: str
    distro: str
    description: str
    extensions: tuple[ModuleInfo, ...] = ()
    order_extensions: tuple[OrderEntry, ...] = ()
    system: SystemModules = field(default_factory=SystemModules)
    buildpack_apis: tuple[str, ...] = ()
    created_by: str = ""

    def with_user(self, uid: int | None, gid: int | None) -> Self:
        """The same with another user, or group, in its environment too; None keeps its own."""
        if uid is None and gid is None:
            return self
        uid = self.uid if uid is None else uid
        gid = self.gid if gid is None else gid
        env = {**self.env, UID_VARIABLE: str(uid), GID_VARIABLE: str(gid)}
        return replace(self, uid=uid, gid=gid, env=env)

    @classmethod
    def from_config(cls, config: ImageConfig, *, origin: str) -> Self:
        """Read an image's configuration; `origin` names the image.

        Raises ImageError that names the label or variable that is missing or wrong.
        """
        labels, env = config.labels, config.config.environment
        metadata = _label(labels, METADATA_LABEL, _Metadata, origin=origin)
        if metadata is None:
            raise ImageError(
                f"{origin} is not a builder: it has no label {METADATA_LABEL}",
                hint="choose a builder with --builder; `locald builder suggest` lists some",
            )
        apis = metadata.lifecycle.apis or _label(
            labels, LIFECYCLE_APIS_LABEL, LifecycleApis, origin=origin
        )
        platform_apis, buildpack_apis = _api_versions(apis, metadata.lifecycle.api)
        if not platform_apis:
            raise ImageError(
                f"{origin} does not say which Platform APIs its lifecycle speaks: neither "
                f"{METADATA_LABEL} nor {LIFECYCLE_APIS_LABEL} lists them"
            )
        uid = _numeric_id(env, UID_VARIABLE, origin=origin)
        if uid == 0:
            raise ImageError(
                f"{origin} builds as root: its {UID_VARIABLE} is 0",
                hint="the lifecycle refuses to build as root; choose a builder with another user",
            )
        order = _label(labels, ORDER_LABEL, tuple[_LabelOrderEntry, ...], origin=origin) or ()
        order_extensions = (
            _label(labels, ORDER_EXTENSIONS_LABEL, tuple[_LabelOrderEntry, ...], origin=origin)
            or ()
        )
        system = _label(labels, SYSTEM_LABEL, _LabelSystem, origin=origin) or _LabelSystem()
        distro = (labels.get(DISTRO_NAME_LABEL, ""), labels.get(DISTRO_VERSION_LABEL, ""))
        created_by = metadata.created_by or _CreatedBy()
        return cls(
            uid=uid,
            gid=_numeric_id(env, GID_VARIABLE, origin=origin),
            env=env,
            platform_apis=platform_apis,
            lifecycle_version=metadata.lifecycle.version or labels.get(LIFECYCLE_VERSION_LABEL, ""),
            run_images=metadata.run_images(),
            buildpacks=metadata.buildpacks or (),
            order=tuple(entry.typed() for entry in order),
            stack_id=labels.get(STACK_LABEL, "") or env.get("CNB_STACK_ID", ""),
            distro=" ".join(part for part in distro if part),
            description=metadata.description,
            extensions=metadata.extensions or (),
            order_extensions=tuple(entry.typed() for entry in order_extensions),
            system=system.typed(),
            buildpack_apis=buildpack_apis,
            created_by=f"{created_by.name} {created_by.version}".strip(),
        )


class _SingleApis(msgspec.Struct, frozen=True):
    """The old `api` object: one version each."""

    buildpack: str | None = None
    platform: str | None = None


class _Lifecycle(msgspec.Struct, frozen=True):
    version: str | None = None
    api: _SingleApis = _SingleApis()
    apis: LifecycleApis | None = None


class _RunImage(msgspec.Struct, frozen=True):
    image: str = ""
    mirrors: tuple[str, ...] | None = None


class _Stack(msgspec.Struct, frozen=True, rename="camel"):
    run_image: _RunImage = _RunImage()


class _CreatedBy(msgspec.Struct, frozen=True):
    name: str = ""
    version: str = ""


class _Metadata(msgspec.Struct, frozen=True, rename="camel"):
    """The label's JSON. Lists are null where Go has a nil slice."""

    description: str = ""
    buildpacks: tuple[ModuleInfo, ...] | None = None
    extensions: tuple[ModuleInfo, ...] | None = None
    stack: _Stack | None = None
    lifecycle: _Lifecycle = _Lifecycle()
    created_by: _CreatedBy | None = None
    images: tuple[_RunImage, ...] | None = None

    def run_images(self) -> tuple[RunImageChoice, ...]:
        # Builders from before Platform API 0.12 name only the stack's run image.
        offered = self.images or ((self.stack.run_image,) if self.stack is not None else ())
        return tuple(
            RunImageChoice(run.image, tuple(run.mirrors or ())) for run in offered if run.image
        )


class _LabelOrderEntry(msgspec.Struct, frozen=True):
    group: tuple[ModuleRef, ...] | None = None

    def typed(self) -> OrderEntry:
        return OrderEntry(self.group or ())


class _LabelSystemPart(msgspec.Struct, frozen=True):
    buildpacks: tuple[ModuleRef, ...] | None = None


class _LabelSystem(msgspec.Struct, frozen=True):
    pre: _LabelSystemPart = _LabelSystemPart()
    post: _LabelSystemPart = _LabelSystemPart()

    def typed(self) -> SystemModules:
        return SystemModules(pre=self.pre.buildpacks or (), post=self.post.buildpacks or ())


def _label(labels: Mapping[str, str], name: str, kind: type[_T], *, origin: str) -> _T | None:
    text = labels.get(name, "")
    if text in ("", "null"):
        return None
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ImageError(f"{origin}: the label {name} cannot be read: {error}") from error


def _api_versions(
    apis: LifecycleApis | None, single: _SingleApis
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Platform and Buildpack API versions, from the lists or else from the old single ones."""
    platform = apis.platform.all if apis is not None else ()
    buildpack = apis.buildpack.all if apis is not None else ()
    return (
        platform or ((single.platform,) if single.platform else ()),
        buildpack or ((single.buildpack,) if single.buildpack else ()),
    )


def _numeric_id(env: Mapping[str, str], variable: str, *, origin: str) -> int:
    text = env.get(variable, "")
    if not text:
        raise ImageError(f"{origin} is not a builder: its environment has no {variable}")
    if not _ID.fullmatch(text) or int(text) > _MAX_ID:
        raise ImageError(
            f"{origin}: its {variable} is {text[:50]!r}, not a number from 0 to {_MAX_ID}"
        )
    return int(text)
