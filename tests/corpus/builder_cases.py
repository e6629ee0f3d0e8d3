"""Builders whose labels and environment are wrong, contradictory or hostile."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

METADATA_LABEL = "io.buildpacks.builder.metadata"
ORDER_LABEL = "io.buildpacks.buildpack.order"
_EXTENSIONS_LABEL = "io.buildpacks.buildpack.order-extensions"
_SYSTEM_LABEL = "io.buildpacks.buildpack.system"
_APIS_LABEL = "io.buildpacks.lifecycle.apis"

Json = dict[str, Any]


def _metadata() -> Json:
    return {
        "description": "a builder",
        "buildpacks": [{"id": "acme/java", "version": "1.2.3"}],
        "lifecycle": {
            "version": "0.21.0",
            "apis": {"buildpack": {"supported": ["0.10"]}, "platform": {"supported": ["0.13"]}},
        },
        "images": [{"image": "registry.example/run", "mirrors": []}],
    }


@dataclass(frozen=True, kw_only=True)
class BuilderCase:
    """edit: changes the metadata as JSON. labels, env: more than a good builder has, or instead;
    an empty value takes one away. refused: what the message must say; empty when it is fine."""

    name: str
    edit: Callable[[Json], object] = lambda _: None
    labels: Mapping[str, str] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    refused: str = ""

    def __str__(self) -> str:
        return self.name.lower().replace(" ", "-")

    @property
    def config(self) -> bytes:
        """The image's configuration."""
        metadata = _metadata()
        self.edit(metadata)
        env = {"CNB_USER_ID": "1001", "CNB_GROUP_ID": "1000", "PATH": "/bin", **self.env}
        labels = {METADATA_LABEL: json.dumps(metadata), **self.labels}
        return json.dumps(
            {
                "architecture": "amd64",
                "os": "linux",
                "config": {
                    "Env": [f"{name}={value}" for name, value in env.items() if value],
                    "Labels": {name: text for name, text in labels.items() if text},
                },
                "rootfs": {"type": "layers", "diff_ids": []},
            }
        ).encode()


def _apis(*versions: object) -> Callable[[Json], object]:
    return lambda m: m["lifecycle"]["apis"]["platform"].update(supported=list(versions))


def _run(*names: object) -> Callable[[Json], object]:
    return lambda m: m.update(images=[{"image": name} for name in names])


_DEEP = "[" * 100_000 + "]" * 100_000
_BAD_NUMBERS = {
    "is root": "0",
    "is negative": "-1",
    "is no number": "cnb",
    "is a number and more": "1000; rm -rf /",
    "is in hexadecimal": "0x3e8",
    "is a fraction": "1000.0",
    "has spaces around": " 1000 ",
    "is above all ids": "4294967296",
    "is nobody's": "65535",
    "has 5,000 digits": "1" * 5000,
    "is in another script": "\u0661\u0662",
    "has escape sequences": "1000\x1b[2J",
    "has a newline": "1000\nEVIL=1",
    "is absent": "",
}
USERS = tuple(
    BuilderCase(
        name=f"{variable} {how}",
        env={variable: value},
        refused="" if (variable, value) == ("CNB_GROUP_ID", "0") else variable,
    )
    for variable in ("CNB_USER_ID", "CNB_GROUP_ID")
    for how, value in _BAD_NUMBERS.items()
)
_BAD_JSON = {
    "is nested 100,000 deep": _DEEP,
    "is cut off": '{"description": "x',
    "is text": '"text"',
    "is a number": "5",
    "is half a surrogate pair": '{"description": "\\ud800"}',
    "is a megabyte of nothing": " " * (1 << 20),
}
LABELS = (
    *(
        BuilderCase(name=f"{label} {how}", labels={label: text}, refused=label)
        for label in (METADATA_LABEL, ORDER_LABEL, _EXTENSIONS_LABEL, _SYSTEM_LABEL)
        for how, text in _BAD_JSON.items()
    ),
    BuilderCase(name="no metadata", labels={METADATA_LABEL: ""}, refused="is not a builder"),
    BuilderCase(name="null as metadata", labels={METADATA_LABEL: "null"}, refused="not a builder"),
    *(
        BuilderCase(name=f"metadata with {key} as {value!r}", edit=edit, refused=METADATA_LABEL)
        for key, value, edit in (
            ("buildpacks", "text", lambda m: m.update(buildpacks="text")),
            ("buildpacks", "a number each", lambda m: m.update(buildpacks=[1, 2])),
            ("buildpacks", "nameless", lambda m: m.update(buildpacks=[{"version": "1"}])),
            ("images", "an object", lambda m: m.update(images={"image": "x"})),
            ("lifecycle", "a list", lambda m: m.update(lifecycle=[])),
            ("stack", "a number", lambda m: m.update(stack=7)),
            ("createdBy", "text", lambda m: m.update(createdBy="me")),
        )
    ),
    *(
        BuilderCase(name=f"an order that is {how}", labels={ORDER_LABEL: text}, refused=ORDER_LABEL)
        for how, text in (
            ("an object", "{}"),
            ("of text", '["acme/java"]'),
            ("of nameless members", '[{"group": [{"version": "1"}]}]'),
            ("of numbers for versions", '[{"group": [{"id": "a", "version": 1}]}]'),
            ("of a group that is text", '[{"group": "acme/java"}]'),
        )
    ),
    BuilderCase(name="100,000 groups",
                labels={ORDER_LABEL: json.dumps([{"group": [{"id": "a"}]}] * 100_000)}),
    BuilderCase(name="names with escape sequences",
                edit=lambda m: m["buildpacks"].append({"id": "\x1b]52;c;eA==\x07"})),
)  # fmt: skip
APIS = (
    BuilderCase(name="no APIs", edit=lambda m: m["lifecycle"].pop("apis"),
                refused="which Platform APIs"),
    BuilderCase(name="an empty list of APIs", edit=_apis(), refused="which Platform APIs"),
    BuilderCase(name="only old APIs", edit=_apis("0.3", "0.4"), refused="none of our Platform"),
    BuilderCase(name="only APIs of the future", edit=_apis("9.0"), refused="none of our Platform"),
    *(
        BuilderCase(name=f"the API {text!r}", edit=_apis(text),
                    refused="not a Platform API version|cannot be read")
        for text in ("", "0.12; x", "v0.12", "0.12.1", "-1", "\u0660.\u0661", "1" * 100, 0.12, None,
                     "0.12\n", "\x1b[2J")
    ),
    BuilderCase(name="APIs in a label of their own", edit=lambda m: m["lifecycle"].pop("apis"),
                labels={_APIS_LABEL: "[]"}, refused=_APIS_LABEL),
    BuilderCase(name="a lifecycle of a strange version",
                edit=lambda m: m["lifecycle"].update(version="\x1b[2J../../x")),
)  # fmt: skip
_BAD_NAMES = (
    "-x", "../../etc", "UPPER/case", "a b", "https://registry.example/x", "x@sha256:abc", "a:b:c",
    "registry.example/\x1b[2J", "x" * 5000, "oci:/etc", "/etc/passwd", "a//b", "a/../b", "$(id)",
    "registry.example/x\n", "\u0430pp",
)  # fmt: skip
RUN_IMAGES = (
    *(
        BuilderCase(name=f"the run image {name[:40]!r}", edit=_run(name),
                    refused="a run image that is no reference")
        for name in _BAD_NAMES
    ),
    BuilderCase(
        name="a mirror that is no reference",
        edit=lambda m: m.update(images=[{"image": "a.example/run", "mirrors": ["-x"]}]),
        refused="a run image that is no reference",
    ),
    BuilderCase(name="no run image", edit=_run(), refused="names no run image"),
    BuilderCase(name="a run image without a name", edit=_run(""), refused="names no run image"),
    BuilderCase(name="a run image that is a number", edit=_run(5), refused=METADATA_LABEL),
)  # fmt: skip

CASES = (*USERS, *LABELS, *APIS, *RUN_IMAGES)
