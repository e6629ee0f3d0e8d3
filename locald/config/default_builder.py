"""The builder that is used when nobody names one."""

from oci.platform import Platform

# Both are on pack's list of known builders and are released every week with the same versions
# of their buildpacks. Jammy's has Python, Go and Ruby beside Java, Node.js, .NET and web
# servers, but exists for amd64 only; noble's lacks those three and exists for arm64, too.
DEFAULT_BUILDER = "docker.io/paketobuildpacks/builder-jammy-base:latest"
DEFAULT_BUILDER_ELSEWHERE = "docker.io/paketobuildpacks/ubuntu-noble-builder:latest"


def default_builder(platform: Platform) -> str:
    """The reference of the default builder for a platform."""
    return DEFAULT_BUILDER if platform.architecture == "amd64" else DEFAULT_BUILDER_ELSEWHERE
