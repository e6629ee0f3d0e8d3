"""YAML as people write it: scripts as blocks, keys in the order given, comments on top."""

from typing import Any

import yaml


class _Dumper(yaml.SafeDumper):
    """Strings of several lines become blocks, lists are indented."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: FBT001, FBT002
        super().increase_indent(flow, False)  # noqa: FBT003


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar(
        "tag:yaml.org,2002:str", text, style="|" if "\n" in text else None
    )


_Dumper.add_representer(str, _text)


def yaml_text(comment: str, *documents: dict[str, Any]) -> str:
    """comment: the lines on top, without `#`."""
    head = "".join(f"# {line}".rstrip() + "\n" for line in comment.splitlines())
    bodies = [
        yaml.dump(d, Dumper=_Dumper, sort_keys=False, width=1000, allow_unicode=True)
        for d in documents
    ]
    return head + "---\n".join(bodies)
