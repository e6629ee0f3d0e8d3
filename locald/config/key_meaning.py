"""What each key of locald.toml and config.toml means: a sentence for editors, and what a JSON
schema can say about its values beyond their type.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from locald.config.locald_toml import Build, HealthCheck, Project, Service
from locald.config.user_config import UserConfig

_VARIABLE = r"^(?!CNB_)[A-Za-z_][A-Za-z0-9_]*$"
_DURATION = {"pattern": "^([0-9]+h)?([0-9]+m)?([0-9]+s?)?$", "minLength": 1, "minimum": 1}
_SIZE = {"pattern": r"^\s*([0-9]{1,9}(\.[0-9]{1,3})?[kmgtKMGT]?([iI]?[bB])?|[nN][oO][nN][eE])\s*$"}
_PIDS = {"pattern": r"^\s*([0-9]{1,9}|[nN][oO][nN][eE])\s*$", "minimum": 32}
_SECRET_ID = {"type": "string", "pattern": "^[A-Za-z0-9_.-]{1,64}$"}


@dataclass(frozen=True, kw_only=True)
class Meaning:
    """limits: keywords of JSON schema for the key's texts, or for the names of its table."""

    text: str
    limits: Mapping[str, object] = field(default_factory=dict)


def _key(text: str, **limits: object) -> Meaning:
    return Meaning(text=text, limits=limits)


_BUILD = {
    "builder": _key("The builder image: a reference, or TRANSPORT:TARGET such as oci:DIR."),
    "run_image": _key("The image that the result stands on; without it the builder's."),
    "previous_image": _key(
        "The image whose layers may be reused; without it the one that is replaced."
    ),
    "tags": _key(
        "Names of the image. Names of a registry count only when `locald build --publish` "
        "pushes there."
    ),
    "platform": _key(
        "Platform of the images, OS/ARCH[/VARIANT]; without it this host's.",
        pattern="^linux/[A-Za-z0-9]+(/[A-Za-z0-9]+)?$",
    ),
    "process": _key(
        "The process that the image starts by default; without it the buildpacks decide.",
        pattern="^[A-Za-z0-9._-]+$",
    ),
    "creation_time": _key(
        "The image's time: seconds since 1970, now, or git (the commit's); without it a constant.",
        pattern="^([0-9]+|now|git)$",
    ),
    "buildpacks": _key(
        "These buildpacks instead of the builder's order: a folder, a tar, tgz or cnb file, an "
        "image, ID[@VERSION] of the builder, or from=builder."
    ),
    "pre": _key("Buildpacks that run before each group of the builder's order."),
    "post": _key("Buildpacks that run after each group of the builder's order."),
    "extensions": _key("Image extensions to use, named as buildpacks are."),
    "lifecycle": _key(
        "Run this lifecycle instead of the builder's: an image, or a folder or tgz file of the "
        "project."
    ),
    "disable_system_buildpacks": _key(
        "Leave out the buildpacks that the builder adds to every build."
    ),
    "include": _key("Only files that match these patterns, as in .gitignore, are built."),
    "exclude": _key("Files that match these patterns, as in .gitignore, are not built."),
    "ignore_files": _key("Files of the project whose patterns hide files from the build."),
    "env": _key("Variables for the buildpacks.", propertyNames={"pattern": _VARIABLE}),
    "env_file": _key("Files of the project with variables for the buildpacks, in dotenv form."),
    "exec_env": _key(
        "Execution environment: which buildpacks, processes and variables apply; production "
        "without it.",
        pattern="^[A-Za-z0-9.-]+$",
    ),
    "volumes": _key(
        "Folders and files of the project that the detect and build phases see: SRC:DST[:ro|rw]."
    ),
    "bindings": _key(
        "Service bindings: name, and a folder of the project with the entries.",
        propertyNames={"pattern": "^[a-z0-9.-]{1,253}$"},
    ),
    "secrets": _key(
        "Ids of secrets that the build phase needs; their sources come from --secret or from "
        "your config.toml.",
        items=_SECRET_ID,
    ),
    "network": _key(
        "Network of the detect and build phases; private without it.",
        enum=["private", "none"],
    ),
    "workspace": _key(
        "Name of the folder that the source has in the build and in the image; workspace without "
        "it.",
        pattern="^[A-Za-z0-9._-]+$",
    ),
    "timeout": _key("End the build after this time: seconds, or 90s, 15m, 2h.", **_DURATION),
    "memory": _key(
        "End the build when a phase of buildpacks holds more memory: 512m, 2g. Only lowers.",
        **_SIZE,
    ),
    "pids": _key(
        "Processes and threads that a phase of buildpacks may have; 16384 without it. Only lowers.",
        **_PIDS,
    ),
    "max_disk": _key("End the build when it keeps more on disk: 5g, 500m. Only lowers.", **_SIZE),
    "cache": _key("Folder of the project that keeps this build's cache."),
    "output": _key(
        "Where the image goes: oci:, oci-archive:, docker-archive: or dir: with a path of the "
        "project, or containers-storage:NAME; without it podman's storage."
    ),
}

_SERVICE = {
    "type": _key("What kind of service this is; exec without it."),
    "command": _key(
        "What `locald run` starts: text for the shell of the image, a list for no shell."
    ),
    "build": _key(
        "How this service becomes an image: true for the defaults, or a table. For a site: its "
        "build command, as text."
    ),
    "port": _key("Port of this host that leads to the application; 8080 without it."),
    "domains": _key("Accepted for other tools, no effect here."),
    "env": _key("Variables for the application."),
    "workdir": _key("Accepted for other tools, no effect here."),
    "depends_on": _key("Services of this file. Accepted for other tools, no effect here."),
    "health_check": _key("Accepted for other tools, no effect here."),
    "stop_signal": _key("Accepted for other tools, no effect here."),
    "image": _key("Accepted for other tools, no effect here."),
    "container_port": _key("The port in the container, where it is another than `port`."),
    "version": _key("Accepted for other tools, no effect here."),
    "path": _key(
        "The folder of the project that is built, with its own project.toml; the project's "
        "without it."
    ),
}

_HEALTH_CHECK = {
    "type": _key("What is tried."),
    "path": _key("Path of the request of an http check."),
    "interval": _key("Seconds between two checks."),
    "timeout": _key("Seconds that one check may take."),
    "command": _key("The program of a command check."),
}

_PROJECT = {
    "name": _key("The project's name; its images are called after it."),
    "domain": _key("Accepted for other tools, no effect here."),
    "workspace": _key("Accepted for other tools, no effect here."),
    "constellation": _key("Accepted for other tools, no effect here."),
}

_USER = {
    "default-builder": _key("The builder of projects that name none."),
    "pull-policy": _key("When to look images up in their registry; if-not-present without it."),
    "runtime": _key("What runs the containers; auto without it."),
    "network": _key("Network of the detect and build phases; private without it."),
    "timeout": _key("End each build after this time: seconds, or 90s, 15m, 2h.", **_DURATION),
    "memory": _key(
        "End a build when a phase of buildpacks holds more memory: 512m, 2g, none.", **_SIZE
    ),
    "pids": _key(
        "Processes and threads that a phase of buildpacks may have, or none; 16384 without it.",
        **_PIDS,
    ),
    "max-disk": _key("End a build when it keeps more on disk: 5g, 500m, none.", **_SIZE),
    "jobs": _key("How many services are built at the same time."),
    "run-image-mirrors": _key("Run image → images that hold the same, tried in their order."),
    "registry-mirrors": _key("Registry → the places that are asked first; * is every registry."),
    "insecure-registries": _key(
        "Registries, HOST[:PORT], that may speak plain HTTP or have any certificate."
    ),
    "volumes": _key(
        "Folders and files of this host that every build sees: SRC:DST[:ro|rw], with absolute SRC."
    ),
    "secrets": _key(
        "Id of a secret → src=FILE or env=NAME, for every project that asks for the id.",
        propertyNames=_SECRET_ID,
        additionalProperties={"type": "string", "pattern": "^(src|env)=."},
    ),
}

MEANINGS: Mapping[type, Mapping[str, Meaning]] = {
    Build: _BUILD,
    Service: _SERVICE,
    HealthCheck: _HEALTH_CHECK,
    Project: _PROJECT,
    UserConfig: _USER,
}
"""Struct → key → what it means; every key of each has an entry."""
