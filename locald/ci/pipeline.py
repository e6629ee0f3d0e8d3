"""What a pipeline does, whichever system runs it."""

from dataclasses import dataclass
from enum import StrEnum

from oci.reference import Reference

REPORT = "locald-report.json"
# In the project, because some systems keep nothing else; a build does not see its own cache.
CACHE_FOLDER = ".locald-cache"
_CACHE_TAG = "cache"


class CacheKind(StrEnum):
    """Where a pipeline keeps what makes the next build quick: beside the image in the registry, or
    in a folder that the system itself keeps."""

    IMAGE = "image"
    FOLDER = "folder"


class System(StrEnum):
    """The systems that pipelines can be written for. Forgejo Actions reads GitHub's form."""

    GITHUB = "github"
    GITLAB = "gitlab"
    TEKTON = "tekton"
    JENKINS = "jenkins"
    WOODPECKER = "woodpecker"


@dataclass(frozen=True, kw_only=True)
class Pipeline:
    """Install locald, build one image, push it, keep the report.

    image: where to push, without a tag; the tags are the commit and `latest`.
    branch: pushes to it start the pipeline.
    path: the application's folder in the repository.
    requirement: what pip installs as locald.
    job_image: the image of the job's container; None is the system's own habit.
    runner: the label of the machine to run on; None is the system's own habit.
    flags: further words for `locald build`.
    """

    image: Reference
    branch: str
    path: str
    requirement: str
    cache: CacheKind
    job_image: str | None = None
    runner: str | None = None
    flags: tuple[str, ...] = ()

    @property
    def registry(self) -> str:
        """The host that the credentials are for."""
        return self.image.registry

    @property
    def cache_image(self) -> str:
        """The image of the cache: in the repository that the pipeline may write to anyway."""
        return f"{self.image.name}:{_CACHE_TAG}"
