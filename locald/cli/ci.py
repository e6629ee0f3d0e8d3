"""`locald ci SYSTEM`: a pipeline file for a CI system."""

import re
from typing import Annotated

import typer

from locald.ci.pipeline import CacheKind, System
from locald.cli.state import State
from oci.errors import UsageError

# A branch, a label, a folder: what goes into files of five grammars is plain.
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/+-]*|\.")
_IMAGE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:@-]*")


def register(app: typer.Typer) -> None:
    """Add `locald ci`."""
    app.command("ci")(ci_command)


def ci_command(
    system: Annotated[System, typer.Argument(help="Whose form; Forgejo Actions reads github's.")],
    image: Annotated[
        str,
        typer.Option("--image", "-t", metavar="NAME", help="Where to push, without a tag."),
    ],
    branch: Annotated[
        str, typer.Option("--branch", metavar="NAME", help="Pushes to it start the pipeline.")
    ] = "main",
    path: Annotated[
        str, typer.Option("--path", "-p", metavar="DIR", help="The application's folder.")
    ] = ".",
    cache: Annotated[
        CacheKind,
        typer.Option(
            "--cache",
            help="Where the cache is kept: an image beside the result, or a folder that the system "
            "keeps.",
        ),
    ] = CacheKind.IMAGE,
    install: Annotated[
        str | None,
        typer.Option(
            "--install",
            metavar="REQUIREMENT",
            help="What pip installs as locald: git+https://…, a wheel's address or path.",
            show_default="where this locald came from",
        ),
    ] = None,
    job_image: Annotated[
        str | None,
        typer.Option(
            "--job-image",
            metavar="IMAGE",
            help="Image of the job's container.",
            show_default="debian:12; github and jenkins: none",
        ),
    ] = None,
    runner: Annotated[
        str | None,
        typer.Option(
            "--runner",
            metavar="LABEL",
            help="Label of the machine.",
            show_default="any; github: ubuntu-24.04",
        ),
    ] = None,
    flags: Annotated[
        list[str] | None,
        typer.Argument(metavar="[-- FLAGS]", help="Further flags for locald build."),
    ] = None,
) -> None:
    """Print a pipeline that builds an image, pushes it and keeps the report.

    Secrets come by the system's own way; the comment on top names them.
    """
    from locald.ci.origin import install_requirement
    from locald.ci.pipeline import Pipeline
    from locald.ci.recipe import recipe
    from oci.reference import Reference

    reference = Reference.parse(image)
    if reference.tag or reference.digest is not None:
        raise UsageError(
            f"--image {image}: without a tag, please",
            hint="the tags are the commit and latest",
        )
    pipeline = Pipeline(
        image=reference,
        branch=_plain("--branch", branch),
        path=_plain("--path", path),
        requirement=_one_line("--install", install_requirement(install)),
        cache=cache,
        job_image=None if job_image is None else _image("--job-image", job_image),
        runner=None if runner is None else _plain("--runner", runner),
        flags=tuple(_one_line("FLAGS", flag) for flag in flags or ()),
    )
    State.current().console.document(recipe(system, pipeline).rstrip("\n"))


def _plain(flag: str, text: str) -> str:
    if not _PLAIN.fullmatch(text) or ".." in text.split("/"):
        raise UsageError(
            f"{flag} {text!r}: letters, digits and ._/+- only", hint="write others into the file"
        )
    return text


def _image(flag: str, text: str) -> str:
    if not _IMAGE_NAME.fullmatch(text):
        raise UsageError(f"{flag} {text!r} is no name of an image", hint="such as debian:12")
    return text


def _one_line(flag: str, text: str) -> str:
    # GitHub and Tekton would replace the two forms by values of theirs.
    if not text.strip() or not text.isprintable() or "${{" in text or "$(" in text:
        raise UsageError(
            f"{flag} {text!r}: one line of text, without ${{{{ and $(", hint="edit the file"
        )
    return text
