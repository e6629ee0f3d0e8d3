"""`locald config …`: what builds will do, where each value comes from, and your own defaults."""

from pathlib import Path
from typing import Annotated

import typer

from locald.cli.console import Progress
from locald.cli.state import State

config_app = typer.Typer(
    name="config",
    help="What builds will do, where it comes from, and your own defaults.",
    no_args_is_help=True,
)

Key = Annotated[
    str,
    typer.Argument(
        metavar="KEY",
        help="A key of config.toml; one of a table with a dot: registry-mirrors.docker.io.",
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print the result and errors only.")]


def register(app: typer.Typer) -> None:
    """Add `locald config`."""
    app.add_typer(config_app)


@config_app.command("show")
def show_command(
    path: Annotated[
        Path, typer.Argument(help="The project's folder.", show_default="the current folder")
    ] = Path(),
    service: Annotated[
        str | None,
        typer.Option("--service", "-s", metavar="NAME", help="Only this service of locald.toml."),
    ] = None,
    json_form: Annotated[
        bool, typer.Option("--json", help="A document for programs instead of a table.")
    ] = False,
) -> None:
    """Print every value that `locald build PATH` would use, and the place that it comes from.

    Nothing is fetched or built. Values of variables that look like passwords are not shown.
    """
    from locald.cli.settings_text import settings_document, settings_lines
    from locald.config.build_flags import BuildFlags
    from locald.config.resolve import read_requests

    state = State.current()
    state.configure(progress=Progress.AUTO, quiet=False, verbose=False)
    requests = read_requests(BuildFlags(path=path, service=service), state.paths)
    for note in dict.fromkeys(note for request in requests for note in request.notes):
        state.console.note(note)
    if json_form:
        state.console.document(settings_document(requests))
        return
    for line in settings_lines(requests):
        state.console.result(line)


@config_app.command("get")
def get_command(
    key: Annotated[
        str | None,
        typer.Argument(metavar="KEY", help="A key of config.toml.", show_default="all of them"),
    ] = None,
) -> None:
    """Print what your config.toml says: one value, an element of a list a line; or every key.

    A key that is not set is an error, as in `git config`.
    """
    from locald.cli.settings_text import toml_value
    from locald.config.user_config_file import setting_lines, settings_in_file
    from locald.config.user_setting import UserSetting, current_value
    from oci.errors import UsageError

    state = State.current()
    state.configure(progress=Progress.AUTO, quiet=False, verbose=False)
    tables = settings_in_file(state.paths.user_config)
    value: object = tables
    if key is not None:
        setting = UserSetting.parse(key, also=tables)
        value = current_value(tables, setting)
        if value is None:
            raise UsageError(
                f"{setting.key} is not set in {state.paths.user_config}",
                hint=f"set it with: locald config set {setting.key} VALUE",
            )
    if isinstance(value, dict):
        for name, one in setting_lines(value):
            state.console.result(f"{name} = {toml_value(one)}")
        return
    for one in value if isinstance(value, list) else [value]:
        state.console.result(one if isinstance(one, str) else toml_value(one))


@config_app.command("set")
def set_command(
    key: Key,
    values: Annotated[
        list[str],
        typer.Argument(metavar="VALUE...", help="The value; of a list all its elements."),
    ],
    quiet: Quiet = False,
) -> None:
    """Write a default for all your builds into config.toml, whose comments stay.

    What a build would refuse is not written.
    """
    from locald.config.user_config_file import set_value

    state = State.current()
    state.configure(progress=Progress.AUTO, quiet=quiet, verbose=False)
    setting = set_value(state.paths, key, tuple(values), tell=state.console.note)
    state.console.note(f"Set {setting.key} in {state.paths.user_config}")


@config_app.command("unset")
def unset_command(key: Key, quiet: Quiet = False) -> None:
    """Take a default, or a whole table of them, out of config.toml."""
    from locald.config.user_config_file import unset_value

    state = State.current()
    state.configure(progress=Progress.AUTO, quiet=quiet, verbose=False)
    if unset_value(state.paths, key, tell=state.console.note):
        state.console.note(f"Removed {key} from {state.paths.user_config}")
    else:
        state.console.note(f"{key} was not set in {state.paths.user_config}")


@config_app.command("path")
def path_command() -> None:
    """Print where your config.toml is, or would be."""
    state = State.current()
    state.console.result(str(state.paths.user_config))


@config_app.command("schema")
def schema_command(
    user: Annotated[
        bool, typer.Option("--user", help="Of your own config.toml instead of locald.toml.")
    ] = False,
) -> None:
    """Print the JSON schema of locald.toml, for editors that check and complete it."""
    import json

    from locald.config.json_schema import locald_toml_schema, user_config_schema

    document = user_config_schema() if user else locald_toml_schema()
    State.current().console.document(json.dumps(document, indent=2, ensure_ascii=False))
