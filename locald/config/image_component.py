"""A folder's or project's name as a part of an image's name."""

import re

_COMPONENT = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*")
_LIMIT = 100


def image_component(text: str) -> str:
    """One component of an image name: unchanged when the text is one, else lower case with single
    dashes for the rest; `app` when nothing is left.
    """
    if len(text) <= _LIMIT and _COMPONENT.fullmatch(text):
        return text
    component = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    return component[:_LIMIT].rstrip("-") or "app"
