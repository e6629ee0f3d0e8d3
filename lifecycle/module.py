"""Buildpacks and image extensions by name: what orders, groups and labels are made of.

The specification's common word for both is *module* (pack) or *component* (lifecycle).
"""

import msgspec


class ModuleRef(msgspec.Struct, frozen=True, omit_defaults=True):
    """One member of a group. An empty version means the only one there is."""

    id: str
    version: str = ""
    optional: bool = False

    def __str__(self) -> str:
        return f"{self.id}@{self.version}" if self.version else self.id


class OrderEntry(msgspec.Struct, frozen=True):
    """One group of an order; detection takes the first group that fits."""

    group: tuple[ModuleRef, ...] = ()


class ModuleInfo(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a builder's label tells about a module."""

    id: str
    version: str = ""
    name: str = ""
    description: str = ""
    homepage: str = ""

    def __str__(self) -> str:
        return f"{self.id}@{self.version}" if self.version else self.id


class SystemModules(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Buildpacks that join every group: `pre` before its members, `post` after them."""

    pre: tuple[ModuleRef, ...] = ()
    post: tuple[ModuleRef, ...] = ()


def folder_name(module_id: str) -> str:
    """A module's folder below /cnb/buildpacks or /cnb/extensions: `acme/java` -> `acme_java`.

    Source: CNB platform spec, "Buildpacks Directory Layout".
    """
    return module_id.replace("/", "_")
