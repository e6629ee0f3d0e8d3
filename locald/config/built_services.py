"""Which services of a project are built, and that their images do not get in each other's way."""

from locald.config.build_flags import BuildFlags
from locald.config.errors import shown, suggestion
from locald.config.locald_toml import Build
from locald.config.project_files import ProjectFiles
from locald.config.request import BuildRequest
from oci.errors import UsageError
from oci.location import ImageLocation
from oci.reference import Reference


def built_services(flags: BuildFlags, files: ProjectFiles) -> tuple[tuple[str | None, Build], ...]:
    """What to build: services by name with their tables, or None for the whole project."""
    known = files.locald.services if files.locald is not None else {}
    built = {name: s.build_options for name, s in known.items() if s.build_options is not None}
    if flags.service is None:
        return tuple(built.items()) or ((None, Build()),)
    if flags.service not in known:
        raise UsageError(
            f"--service: {shown(files.locald_file)} has no service {flags.service[:60]!r}",
            hint=suggestion(flags.service, known),
        )
    if flags.service not in built:
        raise UsageError(
            f"--service: the service {flags.service} is not built by buildpacks",
            hint=f"add `build = true` to [{files.locald.key(flags.service)}]"
            if files.locald is not None
            else "",
        )
    return ((flags.service, built[flags.service]),)


def build_count(files: ProjectFiles) -> int:
    """How many services the project builds in all."""
    services = files.locald.services.values() if files.locald is not None else ()
    return sum(service.build_options is not None for service in services)


def check_names(requests: tuple[BuildRequest, ...]) -> None:
    """No image may replace its own builder or run image, nor a sibling's."""
    taken: dict[Reference, BuildRequest] = {}
    for request in requests:
        for name in dict.fromkeys((*request.names, *request.local_names)):
            for role, source in (("builder", request.builder), ("run image", request.run_image)):
                reference = source.reference if isinstance(source, ImageLocation) else source
                if reference is not None and reference.name == name.name:
                    raise UsageError(
                        f"{request.origins['names']}: {name.familiar} is the name of the {role}",
                        hint="choose another name for what is built, with --tag",
                    )
            if name in taken:
                raise UsageError(
                    f"the services {taken[name].service} and {request.service} would both "
                    f"become {name.familiar}",
                    hint="rename one of them, or give it tags of its own",
                )
            taken[name] = request
