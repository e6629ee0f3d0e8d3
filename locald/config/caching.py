"""Where a request's cache comes from and goes to."""

from dataclasses import dataclass

from locald.config.resolution import Resolution


@dataclass(frozen=True, kw_only=True)
class CacheRequest:
    """clear: forget what earlier builds left."""

    clear: bool = False


def resolve_caching(resolution: Resolution) -> CacheRequest:
    """--cache, --cache-image, --cache-from, --clear-cache."""
    return CacheRequest(clear=resolution.flags.clear_cache)
