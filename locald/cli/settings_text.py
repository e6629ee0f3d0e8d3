"""The settings of requests, as a table for people and as a document for programs."""

import json
from collections.abc import Iterator

from locald.config.request import BuildRequest
from locald.config.settings import Setting, settings

_WIDEST_VALUE = 60


def settings_lines(requests: tuple[BuildRequest, ...]) -> Iterator[str]:
    """A table for each service: name, value, where it came from."""
    for number, request in enumerate(requests):
        if number:
            yield ""
        if request.service is not None:
            yield f"[service.{request.service}]"
        yield from _table(settings(request))


def settings_document(requests: tuple[BuildRequest, ...]) -> str:
    """JSON: a list with an object for each image that would be built."""
    document = [
        {
            "service": request.service,
            "settings": {
                one.name: {"value": one.value, "from": one.origin} for one in settings(request)
            },
        }
        for request in requests
    ]
    return json.dumps(document, indent=2, ensure_ascii=False)


def toml_value(value: object) -> str:
    """A value of config.toml as the file may write it; nothing in it is a table."""
    if isinstance(value, list):
        return f"[{', '.join(map(toml_value, value))}]"
    if isinstance(value, str | bool | int | float):
        return json.dumps(value, ensure_ascii=False)
    return str(value)


def _table(rows: tuple[Setting, ...]) -> Iterator[str]:
    name_width = max(len(one.name) for one in rows)
    value_width = min(_WIDEST_VALUE, max(len(line) for one in rows for line in one.lines))
    for one in rows:
        first, *others = one.lines
        yield f"{one.name:<{name_width}}  {first:<{value_width}}  {one.origin}"
        for line in others:
            yield f"{'':<{name_width}}  {line}".rstrip()
