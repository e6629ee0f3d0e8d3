"""Which files of the project a request's build sees."""

from locald.config.ignore import SourceRules
from locald.config.resolution import Resolution


def resolve_source_rules(resolution: Resolution) -> SourceRules:
    """locald.toml's patterns replace project.toml's; with none the defaults hold."""
    rules = SourceRules()
    build, descriptor = resolution.build, resolution.descriptor
    if build.include or build.exclude is not None:
        rules = SourceRules(
            include=build.include or None,
            exclude=None if build.include else build.exclude,
            where=resolution.key(),
        )
    elif descriptor is not None and (descriptor.include or descriptor.exclude is not None):
        rules = SourceRules(
            include=descriptor.include,
            exclude=descriptor.exclude,
            where=resolution.descriptor_key("include").removesuffix(".include"),
        )
    rules.rule()  # a pattern that cannot be read is told now
    if rules.where:
        resolution.origins["source_rules"] = rules.where
    return rules
