"""`locald build --show-context`."""

from collections.abc import Sequence

from locald.build.context import source_context
from locald.cli.console import Console
from locald.cli.context_text import Heading, context_json, context_lines
from locald.config.errors import shown
from locald.config.request import BuildRequest


def tell_context(requests: Sequence[BuildRequest], console: Console, *, as_json: bool) -> None:
    """Tell of each image what its build would see. With `-v` every file is listed."""
    for index, request in enumerate(requests):
        for note in request.notes:
            console.note(note)
        context = source_context(request.app_dir, request.source_rules, every_file=console.verbose)
        for note in context.notes:
            console.note(note)
        heading = _heading(request)
        if as_json:
            console.result(context_json(heading, context))
            continue
        if index:
            console.result("")
        for line in context_lines(heading, context, everything=console.verbose):
            console.result(line)


def _heading(request: BuildRequest) -> Heading:
    rules = [request.origins.get("source_rules", "default")]
    rules += [file.label for file in request.source_rules.ignore_files]
    return {
        **({"service": request.service} if request.service else {}),
        "source": shown(request.source_path),
        "rules": ", ".join(rules),
    }
