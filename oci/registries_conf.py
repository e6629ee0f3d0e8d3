"""registries.conf: where the images of a registry are really fetched from.

Source: containers-registries.conf(5), version 2. Read the way that skopeo reads it, and written
for skopeo where a flag or the user's config.toml says more than the files do.
"""

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

import msgspec

from oci.errors import RegistryError, UsageError
from oci.plain_file import read_regular_file
from oci.reference import Reference

VARIABLE = "CONTAINERS_REGISTRIES_CONF"
_SYSTEM = Path("/etc/containers")
_MAX_FILE_BYTES = 1 << 20
_HOST = r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:]+\])(?::[0-9]{1,5})?"
_LOCATION = re.compile(rf"{_HOST}(?:/[a-z0-9]+(?:[._/-]+[a-z0-9]+)*)?")


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One place that may have an image. `reference` is its name there."""

    reference: Reference
    insecure: bool = False


class _Mirror(msgspec.Struct, frozen=True, kw_only=True, rename="kebab"):
    location: str
    insecure: bool = False
    pull_from_mirror: str = ""


class _Registry(msgspec.Struct, frozen=True, kw_only=True, rename="kebab"):
    prefix: str = ""
    location: str = ""
    insecure: bool = False
    blocked: bool = False
    mirror_by_digest_only: bool = False
    mirror: tuple[_Mirror, ...] = ()

    @property
    def of(self) -> str:
        """Which names this is about."""
        return self.prefix or self.location


class _File(msgspec.Struct, frozen=True, kw_only=True):
    registry: tuple[_Registry, ...] = ()


@dataclass(frozen=True, kw_only=True)
class RegistriesConf:
    """What applies on this host.

    insecure: registries (`HOST[:PORT]`) whose certificates are not checked, and that may speak
        plain HTTP. mirrors: registry → the places to ask first, in the place of the files';
        `*` stands for every registry.
    """

    insecure: frozenset[str] = frozenset()
    mirrors: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    entries: tuple[_Registry, ...] = ()
    from_variable: bool = False

    @classmethod
    def load(
        cls,
        *,
        insecure: frozenset[str] = frozenset(),
        mirrors: Mapping[str, tuple[str, ...]] | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> Self:
        """From the files of this host. Raises UsageError for a file that cannot be read."""
        environ = os.environ if environ is None else environ
        named = environ.get(VARIABLE, "")
        found: dict[str, _Registry] = {}
        for path in _files(named, Path(environ.get("HOME") or "/")):
            for registry in _read(path, required=str(path) == named):
                found[registry.of] = registry
        return cls(
            insecure=insecure,
            mirrors=mirrors or {},
            entries=tuple(found.values()),
            from_variable=bool(named),
        )

    def endpoints(self, reference: Reference) -> tuple[Endpoint, ...]:
        """The places to ask for an image, best first; the last is its registry itself.

        Raises RegistryError when the files block the registry.
        """
        rule = self._rule(reference)
        if rule.blocked:
            raise RegistryError(
                f"{reference}: its registry is blocked on this host",
                hint=f"see `blocked` of {rule.of!r} in registries.conf(5)",
            )
        places = []
        for mirror in rule.mirror:
            digest_only = rule.mirror_by_digest_only or mirror.pull_from_mirror == "digest-only"
            tag_only = mirror.pull_from_mirror == "tag-only"
            if (digest_only and not reference.digest) or (tag_only and reference.digest):
                continue
            places.append(_place(rule, mirror.location, reference, insecure=mirror.insecure))
        places.append(_place(rule, rule.location, reference, insecure=rule.insecure))
        return tuple(dict.fromkeys(places))

    def own(self, reference: Reference) -> Endpoint:
        """Where an image of that name is pushed to: never a mirror."""
        rule = self._rule(reference)
        return _place(rule, rule.location, reference, insecure=rule.insecure)

    def for_skopeo(self, reference: Reference) -> bytes | None:
        """A registries.conf that says of this image's registry what holds, where skopeo would not
        find the same by itself; else None."""
        rule = self._rule(reference)
        mirrored = bool(self.mirrors.get(reference.registry) or self.mirrors.get("*"))
        hosts = {_host(place) for place in (rule.location, *(m.location for m in rule.mirror))}
        insecure = bool(rule.mirror) and bool(hosts & self.insecure)
        # skopeo 1.9 does not know the variable.
        if not (self.from_variable or mirrored or insecure):
            return None
        lines = ["unqualified-search-registries = []", "[[registry]]"]
        lines += [f"prefix = {_quoted(rule.of)}", f"location = {_quoted(rule.location)}"]
        if rule.of.startswith("*."):
            del lines[-1]
        lines += _switches(insecure=rule.insecure, blocked=rule.blocked)
        if rule.mirror_by_digest_only:
            lines.append("mirror-by-digest-only = true")
        for mirror in rule.mirror:
            lines += ["[[registry.mirror]]", f"location = {_quoted(mirror.location)}"]
            lines += _switches(insecure=mirror.insecure, blocked=False)
            if mirror.pull_from_mirror:
                lines.append(f"pull-from-mirror = {_quoted(mirror.pull_from_mirror)}")
        return "\n".join((*lines, "")).encode()

    def _rule(self, reference: Reference) -> _Registry:
        """The most exact entry, with what flags and the user's own file add."""
        matching = [entry for entry in self.entries if _matches(entry.of, reference)]
        rule = max(matching, key=lambda r: len(r.of), default=_Registry(prefix=reference.registry))
        mirrors = self.mirrors.get(reference.registry) or self.mirrors.get("*") or ()
        if mirrors:
            # Whoever names a mirror for a host means all of it.
            rule = _Registry(
                prefix=reference.registry,
                location=rule.location if "/" not in rule.of else "",
                insecure=rule.insecure,
                blocked=rule.blocked,
                mirror=tuple(_Mirror(location=m) for m in mirrors if m != reference.registry),
            )
        location = rule.location or (reference.registry if rule.of.startswith("*.") else rule.of)
        return msgspec.structs.replace(
            rule,
            location=location,
            insecure=rule.insecure or _host(location) in self.insecure,
            mirror=tuple(
                msgspec.structs.replace(
                    m, insecure=m.insecure or _host(m.location) in self.insecure
                )
                for m in rule.mirror
            ),
        )


def is_registry(text: str) -> bool:
    """Is it `HOST` or `HOST:PORT`?"""
    return re.fullmatch(_HOST, text) is not None


def is_location(text: str) -> bool:
    """Is it a registry, or a part of one: `HOST[:PORT][/PATH]`?"""
    return _LOCATION.fullmatch(text) is not None


def _place(rule: _Registry, location: str, reference: Reference, *, insecure: bool) -> Endpoint:
    """The image's name below a location: what follows the prefix stays."""
    prefix = reference.registry if rule.of.startswith("*.") else rule.of
    host, _, path = (location + reference.name.removeprefix(prefix)).partition("/")
    return Endpoint(reference=replace(reference, registry=host, repository=path), insecure=insecure)


def _matches(prefix: str, reference: Reference) -> bool:
    if prefix.startswith("*."):
        return reference.registry.endswith(prefix[1:])
    return f"{reference.name}/".startswith(f"{prefix}/")


def _files(named: str, home: Path) -> Iterator[Path]:
    """Later files replace what earlier ones say of the same prefix."""
    own = home / ".config/containers"
    own_file = own / "registries.conf"
    folders = [_SYSTEM / "registries.conf.d", own / "registries.conf.d"]
    if named:
        yield Path(named)
    elif own_file.is_file():
        yield own_file
        folders = folders[1:]
    else:
        yield _SYSTEM / "registries.conf"
    for folder in folders:
        yield from sorted(folder.glob("*.conf"))


def _read(path: Path, *, required: bool) -> tuple[_Registry, ...]:
    try:
        text = read_regular_file(path, max_bytes=_MAX_FILE_BYTES).decode()
    except FileNotFoundError:
        if not required:
            return ()
        raise UsageError(f"{VARIABLE} {path}: no such file") from None
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: not UTF-8 text") from error
    try:
        entries = msgspec.convert(tomllib.loads(text), _File).registry
    except (ValueError, RecursionError) as error:  # too many digits, too deep
        raise UsageError(
            f"{path}: {error}", hint="its form is described in containers-registries.conf(5)"
        ) from error
    for entry in entries:
        for location in filter(None, (entry.location, *(m.location for m in entry.mirror))):
            if not is_location(location):
                raise UsageError(f"{path}: not a registry or a part of one: {location[:200]!r}")
        if not entry.of:
            raise UsageError(f"{path}: a [[registry]] has neither prefix nor location")
    return entries


def _host(location: str) -> str:
    return location.partition("/")[0]


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _switches(*, insecure: bool, blocked: bool) -> list[str]:
    return [f"{name} = true" for name, on in (("insecure", insecure), ("blocked", blocked)) if on]
